"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes posted twice are one dataset of a team, and its bytes never change.
- What is made of a dataset is known by its parent and recipe: asked for again, it is the same. Nothing is altered.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.commands import receive
from service.datasets.deriving import derive_split, derive_subset
from service.datasets.errors import (
    DatasetNotDivisible,
    DatasetNotPreparable,
    DatasetNotValidated,
    DatasetUnknown,
    NothingLeft,
    PreparationNotReady,
    PreparationUnknown,
    StepUnknown,
    SubsetTooLarge,
    TokensNotCounted,
)
from service.datasets.models import PREPARE, READ_RANGE, VALIDATE
from service.datasets.preparation_schemas import ApplyRequest, PreparationView, PrepareRequest
from service.datasets.preparations import (
    apply_preparation,
    get_preparation,
    preparations_under_way,
    prepare,
)
from service.datasets.queries import DatasetFacts, facts, get, list_datasets, report, same_bytes, under_way
from service.datasets.room import check_room, stored_bytes
from service.datasets.rules.digests import Digests
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing
from service.datasets.rules.states import INCOMING, State, content_key
from service.datasets.schemas import DatasetView, Progress, ReportView, SplitRequest, SplitView, SubsetRequest

__all__ = [
    "INCOMING",
    "PREPARE",
    "READ_RANGE",
    "VALIDATE",
    "ApplyRequest",
    "Billing",
    "DatasetFacts",
    "DatasetNotDivisible",
    "DatasetNotPreparable",
    "DatasetNotValidated",
    "DatasetUnknown",
    "DatasetView",
    "Digests",
    "NothingLeft",
    "PreparationNotReady",
    "PreparationUnknown",
    "PreparationView",
    "PrepareRequest",
    "Progress",
    "ReportView",
    "SplitRequest",
    "SplitView",
    "State",
    "StepUnknown",
    "SubsetRequest",
    "SubsetTooLarge",
    "TokensNotCounted",
    "apply_preparation",
    "check_room",
    "content_key",
    "default_epochs",
    "derive_split",
    "derive_subset",
    "facts",
    "get",
    "get_preparation",
    "list_datasets",
    "preparations_under_way",
    "prepare",
    "receive",
    "report",
    "same_bytes",
    "stored_bytes",
    "under_way",
]  # fmt: skip
