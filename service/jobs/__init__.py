"""Jobs: from a request to a finished training run at the provider.

Owns jobs, their events and metrics, and the provider's copies of datasets. Invariants:
- a job has at most one live counterpart at the provider (docs/protocol.md);
- its money is held from the request until its end is known, then charged or released once, in that end's transaction;
- a terminal state is never left; events are numbered without gaps.
"""

from service.jobs.accounts import open_on, wake_all
from service.jobs.approvals import approve, decline
from service.jobs.attention import dismiss_stray, give_up, strays
from service.jobs.commands import submit
from service.jobs.erase_map import erase_map
from service.jobs.errors import UnknownJob
from service.jobs.exports import metrics_as_csv
from service.jobs.hints import hint, watch
from service.jobs.lifecycle import cancel, move
from service.jobs.models import COLLECT, EXPIRE, FOLLOW, PREPARE, SUBMIT, Job, JobEvent, StrayJob
from service.jobs.pauses import pause, resume
from service.jobs.places import waiting
from service.jobs.planning import estimate
from service.jobs.queries import (
    Cursor,
    Head,
    checkpoints,
    events,
    events_beyond,
    get,
    heads,
    metrics,
    page,
    slots_held,
)  # fmt: skip
from service.jobs.repeats import clone, retry
from service.jobs.results import advise, read_results, register_version
from service.jobs.rules import ARROWS, State
from service.jobs.schemas import (
    AdviceView,
    Checkpoints,
    CheckpointView,
    CloneRequest,
    Decline,
    EraseMap,
    Estimate,
    JobAdvice,
    JobEventPage,
    JobEventView,
    JobMetrics,
    JobMetricView,
    JobRequest,
    JobView,
    MoveRequest,
    VersionRequest,
    Waiting,
)  # fmt: skip
from service.jobs.turns import backlog as turns_waiting
from service.jobs.turns import grant as grant_turns

__all__ = [
    "ARROWS", "COLLECT", "EXPIRE", "FOLLOW", "PREPARE", "SUBMIT", "AdviceView", "CheckpointView", "Checkpoints",
    "CloneRequest", "Cursor", "Decline", "EraseMap", "Estimate", "Head", "Job", "JobAdvice", "JobEvent",
    "JobEventPage", "JobEventView", "JobMetricView", "JobMetrics", "JobRequest", "JobView", "MoveRequest", "State",
    "StrayJob", "UnknownJob", "VersionRequest", "Waiting", "advise", "approve", "cancel", "checkpoints", "clone",
    "decline", "dismiss_stray", "erase_map", "estimate", "events", "events_beyond", "get", "give_up", "grant_turns",
    "heads", "hint", "metrics", "metrics_as_csv", "move", "open_on", "page", "pause", "read_results",
    "register_version", "resume", "retry", "slots_held", "strays", "submit", "turns_waiting", "waiting", "wake_all",
    "watch",
]  # fmt: skip
