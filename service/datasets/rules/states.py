"""The states of a dataset and the arrows between them."""

from enum import StrEnum
from typing import Final


class PreparationState(StrEnum):
    """`ready`: every step is known; `refused`: the file cannot be prepared, and why is said."""

    READING = "reading"
    READY = "ready"
    REFUSED = "refused"


class State(StrEnum):
    """`ready` may be trained on; `invalid` has errors and never changes, because its bytes never do.

    `archived` is being erased, or is.
    """

    RECEIVED = "received"
    VALIDATING = "validating"
    READY = "ready"
    INVALID = "invalid"
    ARCHIVED = "archived"


class RangeState(StrEnum):
    """A range is read once, and then waits for the others."""

    WAITING = "waiting"
    READ = "read"


ARROWS: Final[dict[State, frozenset[State]]] = {
    State.RECEIVED: frozenset({State.VALIDATING, State.ARCHIVED}),
    # Validating again: a worker took over from a dead one.
    State.VALIDATING: frozenset({State.VALIDATING, State.READY, State.INVALID, State.ARCHIVED}),
    State.READY: frozenset({State.ARCHIVED}),
    State.INVALID: frozenset({State.ARCHIVED}),
    State.ARCHIVED: frozenset(),
}
UNDER_WAY: Final[frozenset[str]] = frozenset({State.RECEIVED, State.VALIDATING})
DIVISIBLE: Final[frozenset[str]] = UNDER_WAY | {State.READY}


def may_follow(state: State, to: State) -> bool:
    """Whether there is such an arrow."""
    return to in ARROWS[state]


INCOMING: Final = "incoming"  # where uploads under way lie


DATASETS: Final = "datasets"  # where everything else lies


def aside_key(team_id: object, dataset_id: object, name: str) -> str:
    """Where something of a dataset lies. The team is in it, so that equal files of two teams share nothing."""
    return f"{DATASETS}/{team_id}/{dataset_id}/{name}"


def content_key(team_id: object, dataset_id: object) -> str:
    """Where its bytes lie: its own, for the same bytes may be posted again while these are still being erased.

    A row names its key, because earlier releases had others.
    """
    return aside_key(team_id, dataset_id, "content")


def partial_name(number: int) -> str:
    """What was found in a range."""
    return f"ranges/{number}"


def problems_name(which: int | str) -> str:
    """All problems of a range, or of what is named."""
    return f"problems/{which}.jsonl"
