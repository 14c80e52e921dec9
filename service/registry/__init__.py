"""Models, their versions, and the aliases that say which version is served.

Invariants: versions of a model are numbered 1, 2, 3 … in the order of their registration, and each tuned model of a job
(the final one, or a checkpoint) is at most one; an alias only ever points at a version of its own model that was ready
when it was moved there, and each move is a row of its history. Whoever resolves from memory is told of every change by
`NOTIFY resolve_changed`.
"""

from service.registry.commands import register
from service.registry.errors import (
    BadName,
    ModelNotFound,
    ModelRegistered,
    NothingServed,
    VersionNotFound,
    VersionNotReady,
)
from service.registry.models import PROBE
from service.registry.moving import promote
from service.registry.queries import (
    Resolution,
    Snapshot,
    TunedModel,
    VersionFacts,
    find_model,
    find_version,
    list_models,
    load_snapshot,
    tuned_by_id,
    tuned_model,
    versions_of_jobs,
)  # fmt: skip
from service.registry.rules import State, check_name
from service.registry.schemas import AliasView, ModelView, Promotion, ResolutionView, VersionView

__all__ = [
    "PROBE", "AliasView", "BadName", "ModelNotFound", "ModelRegistered", "ModelView", "NothingServed", "Promotion",
    "Resolution", "ResolutionView", "Snapshot", "State", "TunedModel", "VersionFacts", "VersionNotFound",
    "VersionNotReady", "VersionView", "check_name", "find_model", "find_version", "list_models", "load_snapshot",
    "promote", "register", "tuned_by_id", "tuned_model",
    "versions_of_jobs",
]  # fmt: skip
