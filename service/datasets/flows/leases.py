"""Holding on to a row for as long as its bytes take, telling how far they are, and letting go of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from service.datasets import commands
from service.datasets.models import Dataset, DatasetRange, Preparation
from service.datasets.rules.digests import passing
from service.datasets.rules.report import Report
from service.datasets.rules.whereabouts import Whereabouts
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.kit.work import Claim

log = logs.get(__name__)

_TOLD_EVERY_SECONDS: Final = 1.0


class Held:
    """A claimed row while its bytes are read: what passes is counted, and told with each renewal of the lease."""

    def __init__(self, claimed: Claim, model: type[Dataset | DatasetRange | Preparation] = Dataset) -> None:
        self._claimed, self._model = claimed, model
        self._pause = min(_TOLD_EVERY_SECONDS, settings().lease_seconds / 3)
        self._told_at = clock.monotonic()
        self._bytes = self._lines = 0

    def update(self, data: bytes) -> None:
        """These bytes were read. Raises StaleClaim once the claim is lost."""
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if clock.monotonic() - self._told_at > self._pause:
            with unit_of_work(worker_for(self._claimed.team), seconds=settings().worker_unit_seconds) as session:
                work.note(session, self._model, self._claimed, read_bytes=self._bytes, read_lines=self._lines)
            self._told_at = clock.monotonic()


def renewing(chunks: Iterable[bytes], claimed: Claim) -> Iterator[bytes]:
    """Pass a dataset's bytes on for as long as the claim on it is ours. Raises StaleClaim."""
    return passing(chunks, Held(claimed).update)


def give_up(claimed: Claim, reason: str) -> None:
    """Leave the dataset to a person, and say so in the log."""
    log.error("dataset.given_up", reason=reason)
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        commands.give_up(session, claimed, reason)


def conclude(claimed: Claim, report: Report, found: Whereabouts) -> None:
    """Write the verdict down, and say so in the log. Raises StaleClaim."""
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        verdict = commands.conclude(session, claimed, report, clock.now(), found=found)
    log.info(
        "dataset.validated",
        state=verdict,
        examples=report.examples,
        errors=report.errors,
        warnings=report.warnings,
    )
