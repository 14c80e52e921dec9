"""Names, and the states of a version. Pure."""

import re
from enum import StrEnum
from typing import Final

from service.registry.errors import BadName

NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_NAME: Final = re.compile(NAME[1:-1])
PROBE_PAUSE_SECONDS_MAX: Final = 300.0
REFUSALS_MAX: Final = 10  # with pauses of 5, 10, 20 … 300 s: for about 25 minutes


class State(StrEnum):
    """Where a version stands. It goes from the first to the second, once."""

    LOADING = "loading"  # the job has succeeded; the model need not answer for some minutes yet
    READY = "ready"  # it has answered


def check_name(name: str, *, pointer: str) -> None:
    """Raise BadName, blaming the field at `pointer`, unless `name` can be a model's or an alias's."""
    if _NAME.fullmatch(name) is None:
        raise BadName(name=name, pointer=pointer)


def probe_pause_seconds(attempts: int, *, first: float) -> float:
    """The pause after so many probes without an answer: doubling, up to five minutes."""
    return float(min(first * 2 ** min(attempts - 1, 30), PROBE_PAUSE_SECONDS_MAX))
