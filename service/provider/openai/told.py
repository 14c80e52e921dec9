"""The provider's words as something we can keep: texts, instants and numbers it may have got wrong."""

import math
from datetime import UTC, datetime
from typing import Any, Final

_WORD_LENGTH_MAX: Final = 128


def storable(told: Any) -> Any:
    """What Postgres can keep of the provider's words: no U+0000, no half of a character, no NaN or infinity.

    Whoever cuts a message short may cut a character in two, and a lost training tells of NaN. A word that cannot be
    kept must not keep a job from being charged and ended.
    """
    if isinstance(told, str):
        return told.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(told, float):
        return told if math.isfinite(told) else None
    if isinstance(told, dict):
        return {storable(name): storable(value) for name, value in told.items()}
    return [storable(one) for one in told] if isinstance(told, list) else told


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("an id or status is missing")
    return value


def word(value: Any) -> str | None:
    """A code or a parameter's name, as a column of 128 characters keeps it; None where there is none."""
    return None if value in (None, "") else storable(str(value))[:_WORD_LENGTH_MAX]


def instant(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"no instant is {seconds} s from 1970") from error
