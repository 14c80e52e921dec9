"""Names, and the states of a version. Pure."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from service.registry.errors import BadName, BadShares

NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_NAME: Final = re.compile(NAME[1:-1])
PROBE_PAUSE_SECONDS_MAX: Final = 300.0
WHOLE: Final = 10_000  # what the shares of an alias come to, in hundredths of a percent
SILENT_MAX: Final = 3  # definite refusals in a row, seconds apart, until what answered once counts as unavailable
REFUSALS_MAX: Final = 10  # with pauses of 5, 10, 20 … 300 s: for about 25 minutes


class State(StrEnum):
    """Where a version stands."""

    LOADING = "loading"  # the job has succeeded; the model need not answer for some minutes yet
    READY = "ready"  # it has answered
    UNAVAILABLE = "unavailable"  # it answered once and does so no more, or is none the provider knows
    RETIRED = "retired"  # its owner has taken it out of service


class Source(StrEnum):
    """Where a version comes from."""

    JOB = "job"
    CHECKPOINT = "checkpoint"
    IMPORT = "import"


class Scheduled(StrEnum):
    """Where a scheduled move stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Action(StrEnum):
    """What a move of an alias was."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    CANARY = "canary"  # shares over versions
    STOP = "stop"  # of a canary: the main version again has all
    FALLBACK = "fallback"  # made by a worker, because what was served stopped answering
    PROTECT = "protect"  # who may move it and what that takes; it serves what it did
    REMOVE = "remove"


def check_name(name: str, *, pointer: str) -> None:
    """Raise BadName, blaming the field at `pointer`, unless `name` can be a model's or an alias's."""
    if _NAME.fullmatch(name) is None:
        raise BadName(name=name, pointer=pointer)


def check_shares(shares: Sequence[tuple[int, int]]) -> None:
    """Raise BadShares unless these (version, weight) name each version once and come to the whole."""
    if len({version for version, _ in shares}) != len(shares) or sum(weight for _, weight in shares) != WHOLE:
        raise BadShares(whole=WHOLE, pointer="#/targets")


def may_move(role: str, needed: str | None) -> bool:
    """Whether a key of `role` may move an alias kept for `needed`: nobody in particular, an admin, an operator."""
    return needed is None or role in {"operator", needed}


def probe_pause_seconds(attempts: int, *, first: float) -> float:
    """The pause after so many probes without an answer: doubling, up to five minutes."""
    return float(min(first * 2 ** min(attempts - 1, 30), PROBE_PAUSE_SECONDS_MAX))
