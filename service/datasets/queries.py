"""Reading datasets. Every query names the team itself, besides row-level security."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.datasets.errors import DatasetNotValidated, DatasetUnknown, TokensNotCounted
from service.datasets.models import Dataset
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing
from service.datasets.rules.states import State
from service.kit import ids


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a job needs to know of a dataset. `examples` is 0 and `billing` empty until it is validated."""

    id: UUID
    team_id: UUID
    state: State
    sha256: str
    bytes: int
    filename: str
    storage_key: str
    format: str | None
    examples: int
    billing: tuple[Billing, ...]
    created_at: datetime

    @property
    def default_epochs(self) -> int:
        """The notebook's rule for this many examples."""
        return default_epochs(self.examples)

    def billed_tokens(self, encoding: str, limit: int) -> int:
        """Tokens of one epoch: the sum of min(limit, tokens) over the examples.

        Raises DatasetNotValidated while there is no report, and TokensNotCounted for a pair no trainable model had when
        the dataset was validated, unless no example reaches the limit.
        """
        if not self.billing:
            raise DatasetNotValidated(state=self.state.value, pointer="#/dataset", retry_after_seconds=1)
        same_encoding = [one for one in self.billing if one.encoding == encoding]
        for one in same_encoding:
            if one.limit == limit or (one.longest <= limit and one.longest <= one.limit):
                return one.billed_tokens
        raise TokensNotCounted(id=ids.show("dset", self.id), encoding=encoding, limit=limit, pointer="#/dataset")


def facts(session: Session, team_id: UUID, dataset_id: UUID, *, pointer: str | None = None) -> DatasetFacts:
    """The facts of one of the team's datasets. Raises DatasetUnknown, blaming `pointer`."""
    return facts_of(find(session, team_id, dataset_id, pointer=pointer))


def find(session: Session, team_id: UUID, dataset_id: UUID, *, pointer: str | None = None) -> Dataset:
    """The row. Raises DatasetUnknown."""
    row = session.scalars(select(Dataset).where(Dataset.team_id == team_id, Dataset.id == dataset_id)).one_or_none()
    if row is None:
        raise DatasetUnknown(id=ids.show("dset", dataset_id), pointer=pointer)
    return row


def facts_of(row: Dataset) -> DatasetFacts:
    """The row as facts."""
    return DatasetFacts(
        id=row.id, team_id=row.team_id, state=State(row.state), sha256=row.sha256, bytes=row.bytes,
        filename=row.filename, storage_key=row.storage_key, format=row.format, examples=row.examples or 0,
        billing=_billing(row.billing), created_at=row.created_at,
    )  # fmt: skip


def _billing(stored: list[dict[str, Any]] | None) -> tuple[Billing, ...]:
    return tuple(Billing(**one) for one in stored or [])
