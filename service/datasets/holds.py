"""Holds: who needs a dataset. A job keeps it from being erased; a copy elsewhere only from counting as erased."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.datasets.errors import DatasetErased, DatasetUnknown
from service.datasets.models import Dataset, Hold
from service.datasets.rules.states import State
from service.kit import ids

_JOB: Final = "job:"
_COPY: Final = "copy:"


def hold(session: Session, team_id: UUID, dataset_id: UUID, job_id: UUID, *, pointer: str | None = None) -> None:
    """Keep the dataset until the job releases it. Raises DatasetUnknown or DatasetErased, blaming `pointer`.

    Whoever is erasing it at this moment goes first, or waits and then sees the hold.
    """
    owned = (Dataset.team_id == team_id, Dataset.id == dataset_id)
    row = session.execute(
        select(Dataset.state, Dataset.erase_requested_at).where(*owned).with_for_update(read=True)
    ).one_or_none()
    if row is None:
        raise DatasetUnknown(id=ids.show("dset", dataset_id), pointer=pointer)
    if row.state == State.ARCHIVED:
        raise DatasetErased(id=ids.show("dset", dataset_id), at=row.erase_requested_at, pointer=pointer)
    _add(session, team_id, dataset_id, f"{_JOB}{job_id}")


def release(session: Session, team_id: UUID, job_id: UUID) -> None:
    """The job needs none of its datasets any more."""
    session.execute(delete(Hold).where(Hold.team_id == team_id, Hold.holder == f"{_JOB}{job_id}"))


def note_copy(session: Session, team_id: UUID, dataset_id: UUID, copy_id: UUID) -> None:
    """There is a copy of the dataset elsewhere: it is not erased before that is gone."""
    _add(session, team_id, dataset_id, f"{_COPY}{copy_id}")


def copy_gone(session: Session, team_id: UUID, dataset_id: UUID, copy_id: UUID) -> None:
    """That copy is gone. If the dataset is being erased, this may have been the last of it."""
    session.execute(delete(Hold).where(Hold.team_id == team_id, Hold.holder == f"{_COPY}{copy_id}"))
    session.execute(
        update(Dataset)
        .where(Dataset.team_id == team_id, Dataset.id == dataset_id)
        .where(Dataset.state == State.ARCHIVED, Dataset.erased_at.is_(None))
        .values(due_at=func.clock_timestamp(), hinted_at=None),
        execution_options={"synchronize_session": False},
    )


def copies_to_remove(session_as_worker: Session, *, limit: int) -> list[UUID]:
    """Copies of datasets that are being erased, of all teams."""
    found = session_as_worker.scalars(
        select(Hold.holder)
        .join(Dataset, Dataset.id == Hold.dataset_id)
        .where(Dataset.state == State.ARCHIVED, Hold.holder.startswith(_COPY))
        .order_by(func.random())  # so that those of an account that never answers keep no others from their turn
        .limit(limit)
    )
    return [UUID(holder.removeprefix(_COPY)) for holder in found]


def jobs_of(session: Session, team_id: UUID, dataset_ids: Sequence[UUID]) -> list[str]:
    """The jobs that need one of these datasets, by their shown ids, oldest first."""
    found = session.scalars(_holders(team_id, dataset_ids, _JOB).order_by(Hold.created_at, Hold.holder))
    return list(dict.fromkeys(ids.show("job", UUID(holder.removeprefix(_JOB))) for holder in found))


def has_copies(session: Session, team_id: UUID, dataset_id: UUID) -> bool:
    """Whether there is a copy of the dataset anywhere else."""
    return session.scalar(_holders(team_id, [dataset_id], _COPY).limit(1)) is not None


def is_job() -> ColumnElement[bool]:
    """Of a hold: that it is a job's."""
    return Hold.holder.startswith(_JOB)


def _holders(team_id: UUID, dataset_ids: Sequence[UUID], kind: str) -> Select[str]:
    return select(Hold.holder).where(
        Hold.team_id == team_id, Hold.dataset_id.in_(dataset_ids), Hold.holder.startswith(kind)
    )


def _add(session: Session, team_id: UUID, dataset_id: UUID, holder: str) -> None:
    values = {"team_id": team_id, "dataset_id": dataset_id, "holder": holder}
    session.execute(insert(Hold).values(values).on_conflict_do_nothing())
