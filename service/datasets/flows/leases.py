"""Holding on to a dataset for as long as its bytes take, and letting go of it."""

from collections.abc import Iterable, Iterator

from service.datasets import commands
from service.datasets.models import Dataset
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.kit.work import Claim

log = logs.get(__name__)


def renewing(chunks: Iterable[bytes], claimed: Claim) -> Iterator[bytes]:
    """Pass `chunks` on for as long as the claim is ours: its lease is renewed after each third. Raises StaleClaim."""
    renewed_at = clock.monotonic()
    for chunk in chunks:
        if clock.monotonic() - renewed_at > settings().lease_seconds / 3:
            with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
                work.renew(session, Dataset, claimed)
            renewed_at = clock.monotonic()
        yield chunk


def give_up(claimed: Claim, reason: str) -> None:
    """Leave the dataset to a person, and say so in the log."""
    log.error("dataset.given_up", reason=reason)
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        commands.give_up(session, claimed, reason)
