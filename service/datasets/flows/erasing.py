"""Erasing datasets in storage: what was asked for, what is older than its team keeps it, and what no row speaks of."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from service.datasets import erasing
from service.datasets.models import ERASE, Dataset
from service.datasets.rules.states import DATASETS, State, aside_key
from service.kit import clock, logs, storage, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim

log = logs.get(__name__)

_ORPHAN_AFTER: Final = timedelta(days=1)  # younger objects may belong to a row that is being written


def erase(ids: Sequence[UUID]) -> None:
    """Remove the bytes of those of `ids` that are due and free, and of those whose copies are gone say so."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, ERASE, ids)
    each(claims, _erase_one)


def _erase_one(claimed: Claim) -> None:
    with logs.bound(dataset=str(claimed.id), team=str(claimed.team)):
        with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
            erasure = erasing.begin(session, claimed)
        storage.delete(erasure.key)
        storage.clear(aside_key(claimed.team, claimed.id, ""))
        with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
            is_erased = erasing.finish(session, claimed, clock.now())
        log.info("dataset.erased" if is_erased else "dataset.bytes_erased")


def retain() -> None:
    """Have every team's datasets erased that are older than it keeps them."""
    with unit_of_work(WORKER) as session:
        teams = session.scalars(select(Dataset.team_id).where(Dataset.state != State.ARCHIVED).distinct()).all()
    for team in teams:
        with unit_of_work(worker_for(team), seconds=settings().worker_unit_seconds) as session:
            erased = erasing.erase_old(session, team, clock.now())
        if erased:
            log.info("dataset.retention_ended", team=str(team), datasets=erased)


def sweep_orphans() -> None:
    """Remove what lies there for a dataset that is not: a process was killed, or wrote after it had lost its claim."""
    before = clock.now() - _ORPHAN_AFTER
    if unfinished := storage.sweep_unfinished(DATASETS, before=before):
        log.warning("dataset.unfinished_removed", objects=unfinished)
    for keys in storage.pages(DATASETS, before=before):
        owners = {key: owner for key in keys if (owner := _owner(key)) is not None}
        live = _live(owners.values())
        orphans = [key for key, owner in owners.items() if owner not in live]
        for key in orphans:
            storage.delete(key)
        if orphans:
            log.warning("dataset.orphans_removed", objects=len(orphans))


def _owner(key: str) -> UUID | None:
    """Whose the object is, by `aside_key`; None of those that earlier releases put elsewhere."""
    try:
        return UUID(key.split("/")[2])
    except (IndexError, ValueError):
        return None


def _live(ids: Iterable[UUID]) -> set[UUID]:
    with unit_of_work(WORKER) as session:
        return set(session.scalars(select(Dataset.id).where(Dataset.id.in_(set(ids)), Dataset.state != State.ARCHIVED)))
