"""Reading datasets. Every query names the team itself, besides row-level security."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from service import catalog, connections, tenants
from service.datasets.errors import DatasetErased, DatasetNotValidated, DatasetUnknown, TokensNotCounted
from service.datasets.models import LIVE, LIVE_AND_POSTED, Dataset, DatasetRange
from service.datasets.rules import formats
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.report import Billing, Limit
from service.datasets.rules.states import UNDER_WAY, State
from service.datasets.schemas.datasets import DatasetView, Progress
from service.datasets.schemas.recipes import RECIPE
from service.kit import ids
from service.kit.pages import Page, newest_first, page_of

# Where the catalog offers a team nothing to train: what all base models had that were trainable last (openai.md §5).
_LIMIT_DEFAULT: Final = Limit("o200k_base", 65_536)


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
    warnings: int
    billing: tuple[Billing, ...]
    created_at: datetime
    erase_requested_at: datetime | None = None

    @property
    def default_epochs(self) -> int:
        """The notebook's rule for this many examples."""
        return default_epochs(self.examples)

    def billed_tokens(self, encoding: str, limit: int) -> int:
        """Tokens of one epoch: the sum of min(limit, tokens) over the examples. Raises as `billing_under` does."""
        return self.billing_under(encoding, limit).billed_tokens

    def billing_under(self, encoding: str, limit: int) -> Billing:
        """What was counted for base models of this encoding and limit.

        Raises DatasetNotValidated while there is no report, and TokensNotCounted for a pair no trainable model had when
        the dataset was validated, unless no example reaches the limit anyway.
        """
        if not self.billing:
            raise DatasetNotValidated(state=self.state.value, pointer="#/dataset", retry_after_seconds=1)
        for one in self.billing:
            if one.encoding == encoding and (one.limit == limit or one.longest <= min(limit, one.limit)):
                return one
        raise TokensNotCounted(id=ids.show("dset", self.id), encoding=encoding, limit=limit, pointer="#/dataset")


def facts(session: Session, team_id: UUID, dataset_id: UUID, *, pointer: str | None = None) -> DatasetFacts:
    """The facts of one of the team's datasets. Raises DatasetUnknown, blaming `pointer`."""
    return facts_of(find(session, team_id, dataset_id, pointer=pointer))


def find(
    session: Session, team_id: UUID, dataset_id: UUID, *, pointer: str | None = None, kept: bool = False
) -> Dataset:
    """The row. With `kept` it is not erased before this transaction ends. Raises DatasetUnknown."""
    wanted = select(Dataset).where(Dataset.team_id == team_id, Dataset.id == dataset_id)
    row = session.scalars(wanted.with_for_update(read=True) if kept else wanted).one_or_none()
    if row is None:
        raise DatasetUnknown(id=ids.show("dset", dataset_id), pointer=pointer)
    return row


def facts_of(row: Dataset) -> DatasetFacts:
    """The row as facts."""
    return DatasetFacts(
        id=row.id, team_id=row.team_id, state=State(row.state), sha256=row.sha256 or "", bytes=row.bytes or 0,
        filename=row.filename, storage_key=row.storage_key, format=row.format, examples=row.examples or 0,
        warnings=row.warnings or 0, billing=_billing(row.billing), created_at=row.created_at,
        erase_requested_at=row.erase_requested_at,
    )  # fmt: skip


def _billing(stored: list[dict[str, Any]] | None) -> tuple[Billing, ...]:
    return tuple(Billing(**one) for one in stored or [])


def get(session: Session, team_id: UUID, dataset_id: UUID) -> DatasetView:
    """One of the team's datasets. Raises DatasetUnknown."""
    return _views(session, [find(session, team_id, dataset_id)])[0]


def same_bytes(session: Session, team_id: UUID, sha256: str) -> DatasetView | None:
    """The team's dataset of these bytes, if it has been posted before."""
    posted = select(Dataset).where(Dataset.team_id == team_id, Dataset.sha256 == sha256, LIVE_AND_POSTED)
    row = session.scalars(posted).one_or_none()
    return None if row is None else _views(session, [row])[0]


def part(session: Session, whole: Dataset, recipe: dict[str, Any]) -> UUID | None:
    """The dataset made of `whole` by this recipe, if there is one that is not deleted."""
    made_so = (Dataset.team_id == whole.team_id, Dataset.parent_id == whole.id, Dataset.recipe == recipe, LIVE)
    return session.scalars(select(Dataset.id).where(*made_so)).one_or_none()


def under_way(session: Session, team_id: UUID, dataset_ids: Collection[UUID]) -> dict[UUID, State]:
    """Those of `dataset_ids` whose verdict is still to come by itself, with their states."""
    rows = session.execute(
        select(Dataset.id, Dataset.state).where(
            Dataset.team_id == team_id,
            Dataset.id.in_(dataset_ids),
            Dataset.state.in_(UNDER_WAY),
            Dataset.attention.is_(None),
        )
    )
    return {row.id: State(row.state) for row in rows}


def list_datasets(
    session: Session, team_id: UUID, *, after: UUID | None, limit: int, archived: bool = False
) -> Page[DatasetView]:
    """The team's datasets, newest first, or those that were deleted."""
    owned = select(Dataset).where(Dataset.team_id == team_id, (Dataset.state == State.ARCHIVED) == archived)
    rows, has_more = newest_first(session, owned, Dataset.id, after=after, limit=limit)
    return page_of(_views(session, rows), has_more=has_more)


def limits(session: Session, team_id: UUID, at: datetime) -> tuple[Limit, ...]:
    """Under which encodings and example limits a team's datasets are counted: those of the models it can train now."""
    try:
        models = trainable_models(session, team_id, at)
    except connections.NoConnection:
        models = []
    return limits_of(models)


def limits_of(models: Iterable[catalog.BaseModelFacts]) -> tuple[Limit, ...]:
    """Under which encodings and limits examples are counted for these models."""
    found = {Limit(model.encoding, model.example_tokens_max) for model in models}
    return tuple(sorted(found, key=lambda one: (one.encoding, one.tokens))) or (_LIMIT_DEFAULT,)


def trainable_models(session: Session, team_id: UUID, at: datetime) -> list[catalog.BaseModelFacts]:
    """The base models a team can train on conversations at that instant, by any method. Raises NoConnection."""
    connection = connections.of_team(session, tenants.team(session, team_id))
    models = catalog.trainable_models(session, connection.provider, at)
    return [model for model in models if model.format == formats.CHAT]


def reported(session: Session, team_id: UUID, dataset_id: UUID) -> Dataset:
    """The row, which has a report. Raises DatasetUnknown, DatasetErased, or DatasetNotValidated while there is none."""
    row = find(session, team_id, dataset_id)
    if row.state == State.ARCHIVED:
        raise DatasetErased(id=ids.show("dset", row.id), at=row.erase_requested_at)
    if row.report is None or row.state in UNDER_WAY:
        wait = None if row.attention else 1
        raise DatasetNotValidated(state=row.state, retry_after_seconds=wait)
    return row


def _views(session: Session, rows: Sequence[Dataset]) -> list[DatasetView]:
    """The rows as shown."""
    under_way = _progress(session, [row for row in rows if row.state == State.VALIDATING])
    return [_view(row, under_way.get(row.id)) for row in rows]


def _progress(session: Session, rows: Sequence[Dataset]) -> dict[UUID, Progress]:
    """How far the reading of these has come, in one go or in ranges."""
    if not rows:
        return {}
    read_bytes = Dataset.read_bytes + func.coalesce(func.sum(DatasetRange.read_bytes), 0)
    read_lines = Dataset.read_lines + func.coalesce(func.sum(DatasetRange.read_lines), 0)
    took = func.extract("epoch", func.clock_timestamp() - Dataset.read_since)
    own = and_(DatasetRange.team_id == Dataset.team_id, DatasetRange.dataset_id == Dataset.id)
    found = session.execute(
        select(Dataset.id, Dataset.bytes, read_bytes.label("read"), read_lines.label("lines"), took.label("took"))
        .outerjoin(DatasetRange, own)
        .where(Dataset.team_id == rows[0].team_id, Dataset.id.in_([row.id for row in rows]))
        .group_by(Dataset.id)
    )
    return {
        one.id: Progress(bytes=one.read, lines=one.lines, seconds_left=_seconds_left(one.bytes, one.read, one.took))
        for one in found
    }


def _seconds_left(whole: int | None, read: int, took: Decimal | None) -> int | None:
    if not (whole and read and took):
        return None
    return max(0, ceil((whole - read) * took / read))


def _view(row: Dataset, progress: Progress | None) -> DatasetView:
    return DatasetView(
        id=ids.show("dset", row.id),
        name=row.name,
        filename=row.filename,
        bytes=row.bytes,
        sha256=row.sha256,
        parent=ids.show("dset", row.parent_id) if row.parent_id else None,
        recipe=RECIPE.validate_python(row.recipe | {"system": row.system}) if row.recipe else None,
        state=State(row.state),
        format=row.format,
        examples=row.examples,
        errors=row.errors,
        warnings=row.warnings,
        progress=progress,
        attention=row.attention,
        created_at=row.created_at,
        created_by=row.created_by,
        validated_at=row.validated_at,
        erase_requested_at=row.erase_requested_at,
        erased_at=row.erased_at,
    )
