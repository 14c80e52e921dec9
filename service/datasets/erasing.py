"""Erasing datasets: what was asked, or is old, loses its bytes, everything made beside them, and its copies elsewhere.

What stays is the row, so that those made of it, its jobs and models keep their lineage: names, hash and counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from service import audit, quotas
from service.datasets import holds, queries, ranges
from service.datasets.errors import DatasetErased, DatasetInUse, DatasetNotMade, PartsBeingMade
from service.datasets.models import Dataset, Hold, Preparation
from service.datasets.rules.states import UNDER_WAY, State, may_follow
from service.datasets.schemas.datasets import DatasetView
from service.kit import ids, work
from service.kit.identity import Actor, worker_for
from service.kit.work import Claim

_OLD_AT_ONCE: Final = 100
_LOOK_FOR_COPIES_SECONDS: Final = 300.0  # whoever removes the last one wakes the dataset: this is for a lost word


def erase(session: Session, actor: Actor, dataset_id: UUID, at: datetime, *, with_parts: bool) -> DatasetView:
    """Archive the dataset, and with it everything made of it if that is wished; a worker removes the bytes.

    Asked again it changes nothing. Raises DatasetUnknown, DatasetInUse or PartsBeingMade, and then keeps all of it.
    """
    asked = queries.find(session, actor.team, dataset_id)
    live = _locked_family(session, actor.team, asked.id) if with_parts else _locked(session, actor.team, [asked.id])
    _check_unused(session, actor.team, live)
    for row in live:
        _archive(session, actor, row, at, reason="asked")
    session.flush()
    return queries.get(session, actor.team, asked.id)


def erase_old(session: Session, team_id: UUID, at: datetime) -> int:
    """Archive what is older than the team's `retention_days` and needed by nobody; returns how many, of 100 at most."""
    days = quotas.limits(session, team_id).retention_days
    if days is None:
        return 0
    part = aliased(Dataset)
    held = exists().where(Hold.team_id == Dataset.team_id, Hold.dataset_id == Dataset.id, holds.is_job())
    makes = exists().where(part.team_id == Dataset.team_id, part.parent_id == Dataset.id, *_is_being_made(part))
    old = (
        select(Dataset)
        .where(Dataset.team_id == team_id, Dataset.state != State.ARCHIVED)
        .where(Dataset.created_at < at - timedelta(days=days), ~held, ~makes)
        .order_by(Dataset.created_at)
        .limit(_OLD_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = session.scalars(old).all()
    needed = _needed(session, team_id, [row.id for row in found])  # somebody may have come before we had the lock
    for row in found:
        if row.id not in needed:
            _archive(session, worker_for(team_id), row, at, reason=f"older than {days} days")
    return len(found)


def family(session: Session, team_id: UUID, dataset_id: UUID) -> Sequence[Dataset]:
    """The dataset and everything made of it, and of that, oldest first. Raises DatasetUnknown."""
    queries.find(session, team_id, dataset_id)
    tree = select(Dataset.id).where(Dataset.team_id == team_id, Dataset.id == dataset_id).cte("tree", recursive=True)
    tree = tree.union(select(Dataset.id).where(Dataset.team_id == team_id, Dataset.parent_id == tree.c.id))
    found = select(Dataset).where(Dataset.team_id == team_id, Dataset.id.in_(select(tree.c.id))).order_by(Dataset.id)
    return session.scalars(found).all()


@dataclass(frozen=True, slots=True)
class Content:
    """A dataset's bytes, and what to call them."""

    key: str
    size: int
    sha256: str
    filename: str


def open_content(session: Session, actor: Actor, dataset_id: UUID) -> Content:
    """Where the bytes are; that they were asked for is in the audit trail.

    Raises DatasetUnknown, DatasetNotMade or DatasetErased.
    """
    row = queries.find(session, actor.team, dataset_id)
    shown = ids.show("dset", row.id)
    if row.state == State.ARCHIVED:
        raise DatasetErased(id=shown, at=row.erase_requested_at)
    if row.sha256 is None or row.bytes is None:
        raise DatasetNotMade(id=shown, retry_after_seconds=1 if row.state in UNDER_WAY else None)
    audit.record(session, actor, "dataset.read", object_type="dataset", object_id=shown, team_id=row.team_id)
    return Content(row.storage_key, row.bytes, row.sha256, row.filename)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What removing one dataset's bytes takes."""

    claim: Claim
    key: str


def begin(session: Session, claimed: Claim) -> Erasure:
    """What is to be removed. Raises StaleClaim."""
    return Erasure(claimed, work.recording(session, Dataset, claimed).storage_key)


def finish(session: Session, claimed: Claim, at: datetime) -> bool:
    """The bytes are gone; whether the copies are too, and the dataset thus erased. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    if holds.has_copies(session, row.team_id, row.id):
        work.proceed(row, seconds=_LOOK_FOR_COPIES_SECONDS)
        return False
    row.erased_at = at
    work.finish(row)
    audit.record(
        session, worker_for(row.team_id), "dataset.erased", object_type="dataset", object_id=ids.show("dset", row.id),
        after={"sha256": row.sha256, "bytes": row.bytes},
    )  # fmt: skip
    return True


def _locked(session: Session, team_id: UUID, dataset_ids: Sequence[UUID]) -> Sequence[Dataset]:
    """Those that are not archived yet, in one order, so that nobody waits in a circle."""
    live = (Dataset.team_id == team_id, Dataset.id.in_(dataset_ids), Dataset.state != State.ARCHIVED)
    found = select(Dataset).where(*live).order_by(Dataset.id).with_for_update()
    return session.scalars(found, execution_options={"populate_existing": True}).all()


def _locked_family(session: Session, team_id: UUID, dataset_id: UUID) -> Sequence[Dataset]:
    """The same for a dataset and all that is made of it: of one that is locked nothing is made any more."""
    locked, live = set[UUID](), list[Dataset]()
    while more := {one.id for one in family(session, team_id, dataset_id)} - locked:
        locked |= more
        live += _locked(session, team_id, list(more))
    return live


def _is_being_made(part: type[Dataset]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return part.sha256.is_(None), part.state.in_(UNDER_WAY)


def _needed(session: Session, team_id: UUID, dataset_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the datasets that a job needs, or of which a part is being made."""
    held = select(Hold.dataset_id).where(Hold.team_id == team_id, Hold.dataset_id.in_(dataset_ids), holds.is_job())
    made_of = (Dataset.team_id == team_id, Dataset.parent_id.in_(dataset_ids))
    makes = select(Dataset.parent_id).where(*made_of, *_is_being_made(Dataset))
    return set(session.scalars(held.union(makes)))


def _check_unused(session: Session, team_id: UUID, rows: Sequence[Dataset]) -> None:
    wanted = [row.id for row in rows]
    if jobs := holds.jobs_of(session, team_id, wanted):
        raise DatasetInUse(id=ids.show("dset", wanted[0]), jobs=jobs, listed=", ".join(jobs[:5]))
    parts = session.scalars(
        select(Dataset.id).where(
            Dataset.team_id == team_id, Dataset.parent_id.in_(wanted), Dataset.id.not_in(wanted),
            *_is_being_made(Dataset),
        )
    ).all()  # fmt: skip
    if parts:
        shown = [ids.show("dset", part) for part in parts]
        raise PartsBeingMade(id=ids.show("dset", wanted[0]), parts=shown, listed=", ".join(shown[:5]))


def _archive(session: Session, actor: Actor, row: Dataset, at: datetime, *, reason: str) -> None:
    """With the row locked. Whoever works on it finds its claim stale, and is left its lease's time to notice."""
    if not may_follow(State(row.state), State.ARCHIVED):
        raise AssertionError(f"dataset {row.id}: no arrow from {row.state} to archived")
    before = row.state
    ranges.forget(session, row)
    session.execute(delete(Preparation).where(Preparation.team_id == row.team_id, Preparation.dataset_id == row.id))
    row.state, row.erase_requested_at = State.ARCHIVED, at
    row.fence += 1
    row.attempts, row.attention, row.attention_since, row.hinted_at = 0, None, None, None
    row.due_at = func.clock_timestamp()
    row.report = row.billing = row.marks = row.problem_parts = row.sketch = None
    row.segments = row.question = row.system = None
    session.execute(select(func.pg_notify("datasets_checked", str(row.id))))
    audit.record(
        session, actor, "dataset.erase_requested", object_type="dataset", object_id=ids.show("dset", row.id),
        team_id=row.team_id, before={"state": before}, after={"reason": reason},
    )  # fmt: skip
