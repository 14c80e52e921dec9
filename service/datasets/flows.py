"""Validating datasets: claim, read from storage and check, record. No transaction is open while a file is read."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from service.datasets import commands
from service.datasets.commands import Order
from service.datasets.models import VALIDATE, Dataset
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
        with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
            order = commands.begin(session, claimed, clock.now())
        started = clock.monotonic()
        counters = {limit.encoding: tokens.counter(limit.encoding) for limit in order.limits}
        approximate = [encoding for encoding in counters if not tokens.is_exact(encoding)]
        try:
            report = check(_while_leased(order), counters, order.limits, approximate=approximate)
        except FileNotFoundError:
            _give_up(claimed, "the stored file is gone")
            return
        if report.sha256 != order.sha256:
            _give_up(claimed, "the stored file is not what was received")
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


def _while_leased(order: Order) -> Iterator[bytes]:
    """The stored bytes; on the way the lease is renewed each time a third of it has passed. Raises StaleClaim."""
    return renewing(storage.read(order.storage_key), order.claim)


def renewing(chunks: Iterable[bytes], claimed: Claim) -> Iterator[bytes]:
    """Pass `chunks` on for as long as the claim is ours."""
    renewed_at = clock.monotonic()
    for chunk in chunks:
        if clock.monotonic() - renewed_at > settings().lease_seconds / 3:
            with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
                work.renew(session, Dataset, claimed)
            renewed_at = clock.monotonic()
        yield chunk


def _give_up(claimed: Claim, reason: str) -> None:
    log.error("dataset.given_up", reason=reason)
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        commands.give_up(session, claimed, reason)
