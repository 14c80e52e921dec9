"""What every request body has in common."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, field_validator

# A day short of the last one Python can say, so that no session's time zone takes a stored instant past it: Postgres
# goes on to the year 294276, and a row that cannot be read back stops everybody who reads it.
_INSTANT_MIN: Final = datetime(1, 1, 2, tzinfo=UTC)
_INSTANT_MAX: Final = datetime(9999, 12, 30, tzinfo=UTC)


_DEPTH_MAX: Final = 100  # of lists and objects in a field; Pydantic and Python's stack give up soon after
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")  # U+0000, and halves of a pair, which are no text at all


class Body(BaseModel):
    """A request body: unknown fields are refused, and so is what Postgres cannot store or nobody can read back."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_storable(cls, value: object) -> object:
        why = _not_storable(value)
        if why is not None:
            raise ValueError(why)
        return value


def is_storable(text: str) -> bool:
    """Whether Postgres can store it, or so much as be asked about it."""
    return not _UNSTORABLE.search(text)


def _can_be_read_back(value: datetime) -> datetime:
    if not _INSTANT_MIN <= value <= _INSTANT_MAX:
        raise ValueError("the instant must lie between the years 1 and 9999")
    return value


Instant = Annotated[AwareDatetime, AfterValidator(_can_be_read_back)]  # any instant that comes in from outside


def _not_storable(value: object) -> str | None:
    """What is wrong with a value as JSON has it, level by level; None: nothing. Python's reads NaN and infinity too."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        deeper: list[object] = []
        for one in level:
            match one:
                case str() if found := _UNSTORABLE.search(one):
                    return f"the character U+{ord(found[0]):04X} cannot be stored"
                case float() if not math.isfinite(one):
                    return "a number must be finite"
                case dict():
                    deeper += [*one.keys(), *one.values()]
                case list():
                    deeper += one
        if not deeper:
            return None
        level = deeper
    return f"it must not be nested deeper than {_DEPTH_MAX} levels"
