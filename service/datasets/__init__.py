"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes are one dataset of a team (unique team and sha256), and its bytes never change.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.commands import receive
from service.datasets.errors import DatasetNotValidated, DatasetUnknown, TokensNotCounted
from service.datasets.models import VALIDATE
from service.datasets.queries import DatasetFacts, facts, get, list_datasets, report, same_bytes, under_way
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing
from service.datasets.rules.states import INCOMING, State, storage_key
from service.datasets.schemas import DatasetView, ReportView

__all__ = [
    "INCOMING",
    "VALIDATE",
    "Billing",
    "DatasetFacts",
    "DatasetNotValidated",
    "DatasetUnknown",
    "DatasetView",
    "ReportView",
    "State",
    "TokensNotCounted",
    "default_epochs",
    "facts",
    "get",
    "list_datasets",
    "receive",
    "report",
    "same_bytes",
    "storage_key",
    "under_way",
]  # fmt: skip
