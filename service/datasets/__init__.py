"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes are one dataset of a team (unique team and sha256), and its bytes never change.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.errors import DatasetNotValidated, DatasetUnknown, TokensNotCounted
from service.datasets.queries import DatasetFacts, facts
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing
from service.datasets.rules.states import State

__all__ = [
    "Billing", "DatasetFacts", "DatasetNotValidated", "DatasetUnknown", "State", "TokensNotCounted", "default_epochs",
    "facts",
]  # fmt: skip
