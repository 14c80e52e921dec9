"""Validating datasets: claim, read from storage and check, record. No transaction is open while a file is read."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from service.datasets import commands
from service.datasets.commands import Making, Order
from service.datasets.flows.leases import give_up, renewing
from service.datasets.flows.making import make
from service.datasets.models import VALIDATE
from service.datasets.rules.checker import check
from service.datasets.rules.states import INCOMING
from service.kit import clock, logs, storage, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider import tokens

log = logs.get(__name__)

_UPLOAD_LASTS_AT_MOST: Final = timedelta(days=1)


def validate(ids: Sequence[UUID]) -> None:
    """Check those of `ids` that are due and free, one after the other; each is claimed only when its turn has come."""
    for one in ids:
        with unit_of_work(WORKER) as session:
            claims = work.claim(session, VALIDATE, [one])
        each(claims, _validate_one)


def sweep_uploads() -> None:
    """Remove what an API process left behind that was killed in the middle of an upload."""
    swept = storage.sweep(INCOMING, before=clock.now() - _UPLOAD_LASTS_AT_MOST)
    if swept:
        log.info("dataset.uploads_swept", objects=swept)


def _validate_one(claimed: Claim) -> None:
    with logs.bound(dataset=str(claimed.id), team=str(claimed.team)):
        order = _begin(claimed)
        if order is None:
            return
        started = clock.monotonic()
        counters = {limit.encoding: tokens.counter(limit.encoding) for limit in order.limits}
        approximate = [encoding for encoding in counters if not tokens.is_exact(encoding)]
        try:
            chunks = renewing(storage.read(order.storage_key), order.claim)
            report = check(chunks, counters, order.limits, approximate=approximate, trains=order.trains)
        except FileNotFoundError:
            give_up(claimed, "the stored file is gone")
            return
        if report.sha256 != order.sha256:
            give_up(claimed, "the stored file is not what was received")
            return
        with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
            verdict = commands.conclude(session, claimed, report, clock.now())
        log.info(
            "dataset.validated",
            state=verdict,
            examples=report.examples,
            errors=report.errors,
            warnings=report.warnings,
            bytes=order.bytes,
            seconds=round(clock.monotonic() - started, 2),
        )


def _begin(claimed: Claim) -> Order | None:
    """What to validate, once its bytes are there; None where that has to wait, or is settled without reading."""
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        order = commands.begin(session, claimed, clock.now())
    if not isinstance(order, Making):
        return order
    return _begin(claimed) if make(order) else None
