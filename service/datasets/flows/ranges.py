"""Reading a range of a large dataset: claim, read from storage and check, record. Whoever dies is read after."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from uuid import UUID

from msgspec import msgpack

from service.datasets import commands, ranges
from service.datasets.flows.leases import Held
from service.datasets.flows.problems import ProblemFile
from service.datasets.flows.reading import NotAsReceived, counters, damage_told
from service.datasets.models import READ_RANGE, DatasetRange
from service.datasets.ranges import RangeOrder
from service.datasets.rules.checker import read_segment
from service.datasets.rules.digests import passing_within
from service.datasets.rules.lines import Placed, segment_lines
from service.datasets.rules.problems import LINE_BYTES_MAX
from service.datasets.rules.states import aside_key, partial_name, problems_name
from service.kit import clock, logs, storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.kit.threads import one_by_one
from service.kit.work import Claim

log = logs.get(__name__)


def read_ranges(ids: Sequence[UUID]) -> None:
    """Read those of `ids` that are due and free, one after the other."""
    one_by_one(READ_RANGE, ids, _read_one)


def _read_one(claimed: Claim) -> None:
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        order = ranges.begin(session, claimed)
    with logs.bound(dataset=str(order.dataset_id), team=str(claimed.team), range=order.number):
        if claimed.attempts >= settings().attempts_max:  # the dataset is to ask for a person, not the range
            _give_up(order, f"a part of it was begun {claimed.attempts} times and never read to its end")
            return
        with damage_told(partial(_give_up, order)):
            started = clock.monotonic()
            record(order, lines=read(order))
            log.info(
                "dataset.range_read",
                bytes=order.stop - order.start,
                seconds=round(clock.monotonic() - started, 2),
            )


def read(order: RangeOrder) -> int:
    """Put what there is to find in the range into storage; returns how many lines start in it.

    Whoever does it again stores the same. Raises FileNotFoundError, NotAsReceived or StaleClaim.
    """
    if storage.size(order.storage_key) != order.bytes:
        raise NotAsReceived
    digest, held = hashlib.sha256(), Held(order.claim, DatasetRange)

    def see(own: bytes) -> None:
        digest.update(own)
        held.update(own)

    with ProblemFile() as problems:
        count = counters(order.question)
        found = read_segment(_lines(order, see), order.question, count, on_problem=problems.add)
        if digest.hexdigest() != order.sha256:
            raise NotAsReceived
        problems.keep(_key(order, problems_name(order.number)))
    storage.make(_key(order, partial_name(order.number)), iter([msgpack.encode(found)]))
    return found.lines


def record(order: RangeOrder, *, lines: int) -> None:
    """Write down that it was read. Raises StaleClaim."""
    with unit_of_work(worker_for(order.claim.team), seconds=settings().worker_unit_seconds) as session:
        ranges.record(session, order, lines=lines)


def _lines(order: RangeOrder, see: Callable[[bytes], None]) -> Iterator[Placed]:
    """The lines that start in it; the last one may end behind it. `see` is shown its own bytes."""
    at = max(order.start - 1, 0)
    chunks = storage.read(order.storage_key, at, min(order.stop + LINE_BYTES_MAX + 1, order.bytes))
    own = passing_within(chunks, see, at=at, start=order.start, stop=order.stop)
    return segment_lines(own, first=order.start == 0, size=order.stop - order.start)


def _give_up(order: RangeOrder, reason: str) -> None:
    log.error("dataset.given_up", reason=reason)
    with unit_of_work(worker_for(order.claim.team), seconds=settings().worker_unit_seconds) as session:
        commands.give_up_range(session, order, reason)


def _key(order: RangeOrder, name: str) -> str:
    return aside_key(order.claim.team, order.dataset_id, name)
