"""Validating datasets: claim, read from storage and check, record. No transaction is open while a file is read.

A file of several segments is cut into ranges, which are read by whoever is free (ranges.py) and put together here.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Final
from uuid import UUID

from msgspec import msgpack

from service.datasets import commands, ranges
from service.datasets.commands import Making, Order
from service.datasets.flows.leases import Held, conclude, give_up
from service.datasets.flows.making import make
from service.datasets.flows.problems import ProblemFile
from service.datasets.flows.reading import NotAsReceived, approximate, counters, damage_told, verifier
from service.datasets.models import VALIDATE
from service.datasets.ranges import Merging
from service.datasets.rules.checker import HEAD_BYTES, Partial, Question, detect_format, merge, read_head, read_stream
from service.datasets.rules.digests import passing
from service.datasets.rules.states import INCOMING, aside_key, partial_name, problems_name
from service.datasets.rules.texts import languages
from service.datasets.rules.whereabouts import Whereabouts
from service.kit import clock, logs, storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.kit.threads import one_by_one
from service.kit.work import Claim

log = logs.get(__name__)

_UPLOAD_LASTS_AT_MOST: Final = timedelta(days=1)


def validate(ids: Sequence[UUID]) -> None:
    """Check those of `ids` that are due and free, one after the other."""
    one_by_one(VALIDATE, ids, _validate_one)


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
        with damage_told(partial(give_up, claimed)):
            if isinstance(order, Merging):
                put_together(order)
            elif order.segments is not None and len(order.segments.sha256) > 1:
                cut(order)
            else:
                read(order)


def _begin(claimed: Claim) -> Order | Merging | None:
    """What to do, once the bytes are there; None where that has to wait, or is settled without reading."""
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        order = commands.begin(session, claimed, clock.now())
    if not isinstance(order, Making):
        return order
    return _begin(claimed) if make(order) else None


def read(order: Order) -> None:
    """Read the file from end to end. Raises FileNotFoundError, NotAsReceived or StaleClaim."""
    digest, found, held = hashlib.sha256(), Whereabouts(), Held(order.claim)
    chunks = passing(passing(storage.read(order.storage_key), digest.update), held.update)
    head = read_head(chunks)
    question = _question(order, head)
    with ProblemFile() as problems:
        stream = read_stream(chain([head], chunks), question, counters(question), on_problem=problems.add)
        verify = verifier(found, question, order.bytes, _again(order.storage_key, held))
        report = merge(question, found.passing(stream), verify=verify, on_problem=problems.add)
        if digest.hexdigest() != order.sha256:
            raise NotAsReceived
        _keep(problems, order.claim, found, "all")
    conclude(order.claim, report, found)


def cut(order: Order) -> None:
    """Have it read in ranges. Raises FileNotFoundError or StaleClaim."""
    head = read_head(storage.read(order.storage_key, 0, min(HEAD_BYTES, order.bytes)))
    if order.segments is None:
        raise AssertionError("a file without segments is not cut")
    with unit_of_work(worker_for(order.claim.team), seconds=settings().worker_unit_seconds) as session:
        ranges.cut(session, order.claim, order.segments, _question(order, head))
    log.info("dataset.cut", ranges=len(order.segments.sha256), bytes=order.bytes)


def put_together(order: Merging) -> None:
    """The report of a file whose ranges were all read. May be repeated. Raises FileNotFoundError or StaleClaim."""
    languages.forget_model()
    found, held = Whereabouts(), Held(order.claim)
    with ProblemFile() as problems:
        stored = _stored(order, found, held)
        verify = verifier(found, order.question, order.bytes, _again(order.storage_key, held))
        report = merge(order.question, found.passing(stored), verify=verify, on_problem=problems.add)
        _keep(problems, order.claim, found, "whole")
    conclude(order.claim, report, found)
    # Not before the verdict, so that merging can be repeated. What a worker killed here leaves goes with the dataset.
    for number in range(len(order.starts)):
        storage.delete(aside_key(order.claim.team, order.claim.id, partial_name(number)))


def _stored(order: Merging, found: Whereabouts, held: Held) -> Iterator[tuple[int, Partial]]:
    for number, start in enumerate(order.starts):
        held.update(b"")
        key = aside_key(order.claim.team, order.claim.id, partial_name(number))
        one = msgpack.decode(b"".join(storage.read(key)), type=Partial)
        if one.problems.totals:
            found.problem_parts.append([problems_name(number), found.lines])
        yield start, one


def _again(key: str, held: Held) -> Callable[[int, int], Iterator[bytes]]:
    """Reads of the file what has to be looked at twice."""

    def read_again(start: int, stop: int) -> Iterator[bytes]:
        held.update(b"")
        return storage.read(key, start, stop)

    return read_again


def _keep(problems: ProblemFile, claimed: Claim, found: Whereabouts, which: str) -> None:
    if not problems.is_empty:
        name = problems_name(which)
        problems.keep(aside_key(claimed.team, claimed.id, name))
        found.problem_parts.append([name, 0])


def _question(order: Order, head: bytes) -> Question:
    return Question(detect_format(head), list(order.limits), order.trains, approximate(order.limits))
