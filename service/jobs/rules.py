"""What a job may do next, what a provider's word means for it, and what an empty search proves. Pure decisions."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID


class State(StrEnum):
    """Where a job stands. Up to `submitting` it is ours, then it follows the provider."""

    WAITING_FOR_DATASET = "waiting_for_dataset"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    UPLOADING = "uploading"
    SUBMITTING = "submitting"
    VALIDATING_FILES = "validating_files"
    PROVIDER_QUEUED = "provider_queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    """What became of a job that waited for a second person."""

    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


_ENDS: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
_AT_PROVIDER: Final = frozenset({State.VALIDATING_FILES, State.PROVIDER_QUEUED, State.RUNNING, State.PAUSED})
_OUT: Final = frozenset({State.FAILED, State.CANCELLED})


class Origin(StrEnum):
    """Why a job is there that names another."""

    RETRY = "retry"
    CLONE = "clone"


ARROWS: Final[dict[State, frozenset[State]]] = {
    State.WAITING_FOR_DATASET: _OUT | {State.AWAITING_APPROVAL, State.QUEUED},
    State.AWAITING_APPROVAL: _OUT | {State.QUEUED},
    State.QUEUED: _OUT | {State.UPLOADING},
    # Back to the queue when it gives its slot back or moves to another connection.
    State.UPLOADING: _OUT | {State.SUBMITTING, State.QUEUED},
    # The provider may have it although we do not know it yet: whatever it says when we find out.
    State.SUBMITTING: _AT_PROVIDER | _ENDS | {State.CANCELLING, State.QUEUED},
    State.VALIDATING_FILES: _AT_PROVIDER - {State.VALIDATING_FILES} | _ENDS | {State.CANCELLING},
    State.PROVIDER_QUEUED: frozenset({State.RUNNING, State.PAUSED, State.CANCELLING}) | _ENDS,
    State.RUNNING: frozenset({State.PROVIDER_QUEUED, State.PAUSED, State.CANCELLING}) | _ENDS,
    State.PAUSED: frozenset({State.PROVIDER_QUEUED, State.RUNNING, State.CANCELLING}) | _ENDS,
    State.CANCELLING: _ENDS,  # a race with the provider: the outcome is what it says
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""From each state to those that may follow it. A terminal state is never left."""

TERMINAL: Final = frozenset(state for state, following in ARROWS.items() if not following)
TO_PREPARE: Final = frozenset({State.WAITING_FOR_DATASET, State.AWAITING_APPROVAL})
TO_SUBMIT: Final = frozenset({State.QUEUED, State.UPLOADING, State.SUBMITTING})
TO_FOLLOW: Final = _AT_PROVIDER
BEFORE_PROVIDER: Final = TO_PREPARE | TO_SUBMIT
UNRESOLVED: Final = frozenset({State.SUBMITTING, State.CANCELLING})

_BY_PROVIDER_STATUS: Final = {
    "validating_files": State.VALIDATING_FILES,
    "queued": State.PROVIDER_QUEUED,
    "running": State.RUNNING,
    "paused": State.PAUSED,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}

EPOCHS_AUTO_MAX: Final = 25  # the notebook's cap: what `auto` may cost at most as far as anybody has published
_KEY_PREFIX: Final = "tp1_"


def may_follow(state: State, following: State) -> bool:
    """Whether there is an arrow."""
    return following in ARROWS[state]


def state_told(current: State, provider_status: str) -> State:
    """Where the provider's status puts a job. An unknown status, and a step back, leave it where it is."""
    told = _BY_PROVIDER_STATUS.get(provider_status, current)
    return told if may_follow(current, told) else current


class Wish(StrEnum):
    """What a user wants of a job at the provider, to be passed on."""

    PAUSE = "pause"
    RESUME = "resume"


def is_met(wish: Wish, provider_status: str) -> bool:
    """Whether the provider's status shows what was wished for."""
    return (_BY_PROVIDER_STATUS.get(provider_status) == State.PAUSED) == (wish is Wish.PAUSE)


def pause_before_next_look(state: State, waited: timedelta, *, shortest: float, is_watched: bool) -> float:
    """Seconds until a job is looked at again: what has waited long will wait on, so it is asked about more rarely.

    A tenth of its wait in the provider's queue, up to 20 times `shortest`; a fortieth of its training, up to 4 times. A
    job that somebody watches is never left alone for longer than `shortest`.
    """
    share, most = {State.PROVIDER_QUEUED: (10, 20), State.RUNNING: (40, 4), State.PAUSED: (10, 20)}.get(state, (1, 1))
    return min(max(shortest, waited.total_seconds() / share), (1 if is_watched else most) * shortest)


def submit_key(environment: str, job_id: UUID) -> str:
    """The one name of this job at the provider, for good; staging and production may share an account."""
    digest = hashlib.sha256(f"{environment}|{job_id}".encode()).digest()
    return _KEY_PREFIX + base64.b32encode(digest).decode().lower()[:32]


def is_submit_key(text: str | None) -> bool:
    """Whether a job at the provider carries a key of our making, be it another environment's."""
    return text is not None and text.startswith(_KEY_PREFIX)


def file_name(environment: str, sha256: str) -> str:
    """Of a content at the provider, by which it is found again: files carry no metadata there."""
    return f"tp-{environment}-{sha256[:40]}.jsonl"


def seed_of(job_id: UUID) -> int:
    """A seed for a job that names none, so that seed and file together are as good as unique (0 to 2^31-1)."""
    return int.from_bytes(hashlib.sha256(job_id.bytes).digest()[:4]) & 0x7FFFFFFF


def tokens_trained(*, told: int | None, step: int, steps: int, planned: int, succeeded: bool) -> tuple[int, bool]:
    """Tokens a job that ended at the provider is charged for, and whether that is our reckoning rather than its word.

    The provider's number where it gives one; a success without one was trained as planned; else the share of steps
    done.
    """
    if told is not None:
        return told, False
    if succeeded:
        return planned, True
    if steps <= 0:
        return 0, False
    return planned * min(step, steps) // steps, True


class Search(StrEnum):
    """What an empty search means for a job that may have been created."""

    FIRST_LOOK = "first_look"  # the quiet period starts now
    EMPTY_ONCE = "empty_once"  # look once more
    TOO_EARLY = "too_early"  # proves nothing yet
    NEVER_CREATED = "never_created"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of an empty search, and when to look again."""

    search: Search
    look_again_at: datetime | None = None


def after_empty_search(
    asked_at: datetime, *, searched_at: datetime | None, searches: int, quiet: timedelta, interval: timedelta
) -> Verdict:
    """docs/protocol.md, "Search". What counts is when we asked, never when a hint made the row due."""
    if searched_at is None:
        return Verdict(Search.FIRST_LOOK, asked_at + quiet)
    counts_at = searched_at + (quiet if searches == 0 else interval)
    if asked_at < counts_at:
        return Verdict(Search.TOO_EARLY, counts_at)
    if searches == 0:
        return Verdict(Search.EMPTY_ONCE, asked_at + interval)
    return Verdict(Search.NEVER_CREATED)
