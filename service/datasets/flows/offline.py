"""Checking a file on this machine as workers would, without any service: every process at hand reads segments of it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from functools import partial
from itertools import chain
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import msgpack

from service import catalog, costs
from service.datasets.flows.reading import approximate, counters, verifier
from service.datasets.queries import limits_of
from service.datasets.rules import formats
from service.datasets.rules.checker import (
    HEAD_BYTES,
    SEGMENT_BYTES,
    Partial,
    Question,
    detect_format,
    merge,
    read_head,
    read_segment,
    read_stream,
)
from service.datasets.rules.digests import passing_within
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.leakage import Leak, shared
from service.datasets.rules.lines import segment_lines
from service.datasets.rules.report import Billing, Limit, Report
from service.datasets.rules.whereabouts import Whereabouts
from service.datasets.schemas.report import TrainingPrice
from service.kit import money

Tell = Callable[[int], None]
"""Is told how many bytes were read so far."""

__all__ = [
    "Leak",
    "Limit",
    "Report",
    "TrainingPrice",
    "check_file",
    "check_stream",
    "chunks",
    "leak",
    "limits_of",
    "quotes",
]

_CHUNK_BYTES: Final = 1024 * 1024
_LOOK_SECONDS: Final = 0.1
_read: "Synchronized[int]"  # in a process of the pool: what all of them have read, in bytes


def check_file(
    path: Path, limits: Sequence[Limit], *, trains: bool = True, tell: Tell | None = None,
    processes: int | None = None, segment_bytes: int = SEGMENT_BYTES,
) -> Report:  # fmt: skip
    """The report on a file; its `sha256` is left empty. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        question = _question(read_head(chunks(file, HEAD_BYTES)), limits, trains=trains)
    starts = range(0, size, segment_bytes)
    segments: Iterable[tuple[int, Partial]]
    if len(starts) > 1:
        orders = [(path, start, min(start + segment_bytes, size), question) for start in starts]
        segments = zip(starts, _by_pool(orders, min(processes or os.cpu_count() or 1, len(orders)), tell), strict=True)
    else:
        segments = _alone(path, question, tell)
    found = Whereabouts()
    verify = verifier(found, question, size, partial(_part, path))
    return merge(question, found.passing(segments), verify=verify)


def _alone(path: Path, question: Question, tell: Tell | None) -> Iterator[tuple[int, Partial]]:
    with path.open("rb") as file:
        yield from read_stream(_telling(chunks(file), tell), question, counters(question))


def _part(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        yield file.read(stop - start)


def check_stream(
    stream: Iterable[bytes], limits: Sequence[Limit], *, trains: bool = True, tell: Tell | None = None
) -> Report:
    """The same of what comes through a pipe, by this process alone. It passes once: no likenesses are found in it."""
    passed = _telling(stream, tell)
    head = read_head(passed)
    question = _question(head, limits, trains=trains)
    found = read_stream(chain([head], passed), question, counters(question))
    return merge(question, (one for _, one in found))


def _telling(stream: Iterable[bytes], tell: Tell | None) -> Iterator[bytes]:
    seen = 0
    for chunk in stream:
        seen += len(chunk)
        if tell:
            tell(seen)
        yield chunk


def leak(report: Report, other: Report) -> Leak | None:
    """What the two files share; none where one of them was not read."""
    return shared(report.sketch, other.sketch) if report.sketch and other.sketch else None


def quotes(
    report: Report, models: Iterable[tuple[catalog.BaseModelFacts, catalog.PriceFacts | None]]
) -> list[TrainingPrice]:
    """What training each of these base models takes that learns from a file of this format, at the catalog's prices."""
    if not report.is_ready or not report.examples:
        return []
    method = formats.METHODS.get(report.format)
    counted = {(one.encoding, one.limit): one for one in report.billing}
    return [
        _quote(model, price, counted[model.encoding, model.example_tokens_max], default_epochs(report.examples))
        for model, price in models
        if method in model.methods and (model.encoding, model.example_tokens_max) in counted
    ]


def _quote(
    model: catalog.BaseModelFacts, price: catalog.PriceFacts | None, billing: Billing, epochs: int
) -> TrainingPrice:
    tokens = billing.billed_tokens * epochs
    return TrainingPrice(
        model=model.id, encoding=model.encoding, example_tokens_max=model.example_tokens_max, epochs=epochs,
        truncated_examples=billing.truncated_examples, lost_tokens=billing.lost_tokens,
        tokens_per_epoch=billing.billed_tokens, tokens=tokens,
        price=None if price is None else costs.quote(price, tokens),
        currency=money.CURRENCY if price is None else price.currency,
        price_id=None, unavailable="It has no price by the token." if price is None else None,
    )  # fmt: skip


def _question(head: bytes, limits: Sequence[Limit], *, trains: bool) -> Question:
    return Question(detect_format(head), list(limits), trains, approximate(limits))


# ------------------------------------------------------------------------------------------------------------ the pool
Order = tuple[Path, int, int, Question]


def _by_pool(orders: Sequence[Order], processes: int, tell: Tell | None) -> Iterator[Partial]:
    """What was found in each segment, in their order."""
    read: Synchronized[int] = multiprocessing.Value("q", 0)
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(read,)) as pool:
        try:
            with _uninterrupted():
                segments = [pool.submit(_read_segment, *order) for order in orders]
            while wait_for(segments, timeout=_LOOK_SECONDS).not_done and not any(map(_failed, segments)):
                if tell:
                    tell(read.value)
            for segment in segments:
                yield msgpack.decode(segment.result(), type=Partial)
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A process begun in here never hears of a Ctrl-C: whoever began it does, as soon as this is over, and ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _failed(segment: "Future[bytes]") -> bool:
    return segment.done() and segment.exception() is not None


def _begin(read: "Synchronized[int]") -> None:
    """In a new process of the pool."""
    global _read  # noqa: PLW0603 - how a pool hands a shared counter to its processes
    _read = read


def _read_segment(path: Path, start: int, stop: int, question: Question) -> bytes:
    """A segment's partial, as it travels."""
    at = max(start - 1, 0)
    with path.open("rb") as file:
        file.seek(at)
        own = passing_within(chunks(file), _count, at=at, start=start, stop=stop)
        lines = segment_lines(own, first=start == 0, size=stop - start)
        return msgpack.encode(read_segment(lines, question, counters(question)))


def _count(own: bytes) -> None:
    with _read.get_lock():
        _read.value += len(own)


def chunks(file: BinaryIO, limit: int | None = None) -> Iterator[bytes]:
    """A file's bytes from where it stands, about `limit` at most."""
    read = 0
    while (limit is None or read < limit) and (chunk := file.read(_CHUNK_BYTES)):
        read += len(chunk)
        yield chunk
