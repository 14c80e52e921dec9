"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes posted twice are one dataset of a team, and its bytes never change.
- A part of a dataset is known by its parent and recipe: the same cut asked for again is the same two datasets.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.commands import receive
from service.datasets.deriving import derive_split, derive_subset
from service.datasets.errors import (
    DatasetNotDivisible,
    DatasetNotValidated,
    DatasetUnknown,
    NothingLeft,
    SubsetTooLarge,
    TokensNotCounted,
)
from service.datasets.models import READ_RANGE, VALIDATE
from service.datasets.queries import DatasetFacts, facts, get, list_datasets, report, same_bytes, under_way
from service.datasets.rules.digests import Digests
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing
from service.datasets.rules.states import INCOMING, State, storage_key
from service.datasets.schemas import DatasetView, Progress, ReportView, SplitRequest, SplitView, SubsetRequest

__all__ = [
    "INCOMING",
    "READ_RANGE",
    "VALIDATE",
    "Billing",
    "DatasetFacts",
    "DatasetNotDivisible",
    "DatasetNotValidated",
    "DatasetUnknown",
    "DatasetView",
    "Digests",
    "NothingLeft",
    "Progress",
    "ReportView",
    "SplitRequest",
    "SplitView",
    "State",
    "SubsetRequest",
    "SubsetTooLarge",
    "TokensNotCounted",
    "default_epochs",
    "derive_split",
    "derive_subset",
    "facts",
    "get",
    "list_datasets",
    "receive",
    "report",
    "same_bytes",
    "storage_key",
    "under_way",
]  # fmt: skip
