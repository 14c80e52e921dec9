"""What every request body has in common."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, field_validator

# A day short of the last one Python can say, so that no session's time zone takes a stored instant past it: Postgres
# goes on to the year 294276, and a row that cannot be read back stops everybody who reads it.
_INSTANT_MIN: Final = datetime(1, 1, 2, tzinfo=UTC)
_INSTANT_MAX: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Body(BaseModel):
    """A request body: unknown fields are refused, and so is U+0000, which Postgres cannot store in any text."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_storable(cls, value: object) -> object:
        if _holds_nul(value):
            raise ValueError("the character U+0000 cannot be stored")
        return value


def _can_be_read_back(value: datetime) -> datetime:
    if not _INSTANT_MIN <= value <= _INSTANT_MAX:
        raise ValueError("the instant must lie between the years 1 and 9999")
    return value


Instant = Annotated[AwareDatetime, AfterValidator(_can_be_read_back)]  # any instant that comes in from outside


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
        case list():
            return any(map(_holds_nul, value))
    return False
