"""Models, their versions, and the aliases that say which version is served.

Invariants: versions of a model are numbered 1, 2, 3 … in the order of their registration, and each tuned model of a job
(the final one, or a checkpoint) is at most one; an alias only ever points at a version of its own model that was ready
when it was moved there, and each move is a row of its history. Whoever resolves from memory is told of every change by
`NOTIFY resolve_changed`.
"""

from service.registry.commands import register
from service.registry.errors import (
    AliasMoved,
    AliasProtected,
    BadName,
    BadShares,
    ModelNotFound,
    ModelRegistered,
    NothingBefore,
    NothingServed,
    ReasonRequired,
    ScheduleEnded,
    ScheduleNotFound,
    StartsInThePast,
    UnknownTeam,
    VerdictRequired,
    VersionNotFound,
    VersionNotReady,
    VersionServed,
)
from service.registry.history import moves
from service.registry.listing import Search
from service.registry.listing import find as find_model
from service.registry.listing import search as list_models
from service.registry.listing import update as update_model
from service.registry.models import MOVE, PROBE
from service.registry.moving import Move, promote, protect, remove, roll_back, split, stop
from service.registry.queries import (
    TunedModel,
    VersionFacts,
    find_alias,
    find_version,
    numbered_version,
    tuned_by_id,
    tuned_model,
    versions_of_jobs,
)
from service.registry.rules import State, check_name
from service.registry.scheduling import call_off, schedule, schedules
from service.registry.schemas import (
    AliasView,
    ModelUpdate,
    ModelView,
    MoveView,
    Promotion,
    Protection,
    ResolutionView,
    Retirement,
    RollBack,
    ScheduleAsk,
    ScheduleView,
    Share,
    Stop,
    VersionNotes,
    VersionView,
)
from service.registry.snapshot import Changes, Mark, Resolution, Snapshot, load_changes, load_snapshot, mark
from service.registry.versions import annotate, attach_verdict, retire

__all__ = [
    "MOVE",
    "PROBE",
    "AliasMoved",
    "AliasProtected",
    "AliasView",
    "BadName",
    "BadShares",
    "Changes",
    "Mark",
    "ModelNotFound",
    "ModelRegistered",
    "ModelUpdate",
    "ModelView",
    "Move",
    "MoveView",
    "NothingBefore",
    "NothingServed",
    "Promotion",
    "Protection",
    "ReasonRequired",
    "Resolution",
    "ResolutionView",
    "Retirement",
    "RollBack",
    "ScheduleAsk",
    "ScheduleEnded",
    "ScheduleNotFound",
    "ScheduleView",
    "Search",
    "Share",
    "Snapshot",
    "StartsInThePast",
    "State",
    "Stop",
    "TunedModel",
    "UnknownTeam",
    "VerdictRequired",
    "VersionFacts",
    "VersionNotFound",
    "VersionNotReady",
    "VersionNotes",
    "VersionServed",
    "VersionView",
    "annotate",
    "attach_verdict",
    "call_off",
    "check_name",
    "find_alias",
    "find_model",
    "find_version",
    "list_models",
    "load_changes",
    "load_snapshot",
    "mark",
    "moves",
    "numbered_version",
    "promote",
    "protect",
    "register",
    "remove",
    "retire",
    "roll_back",
    "schedule",
    "schedules",
    "split",
    "stop",
    "tuned_by_id",
    "tuned_model",
    "update_model",
    "versions_of_jobs",
]  # fmt: skip
