"""Checking a file: what its segments say, put together.

A file's check is *defined* as the merge of its segments of SEGMENT_BYTES, each read by itself. So the report is the
same, to the byte, whether one process reads a stream from end to end or many workers take a segment each.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import Final

from service.datasets.rules import formats
from service.datasets.rules.counting import Count
from service.datasets.rules.digests import passing
from service.datasets.rules.formats import Format
from service.datasets.rules.likeness import Verify
from service.datasets.rules.lines import Placed, segment_lines
from service.datasets.rules.merging import merge
from service.datasets.rules.partial import Partial, Question
from service.datasets.rules.problems import ERRORS_MAX, LINE_BYTES_MAX, Problem, Tell
from service.datasets.rules.report import Limit, Report
from service.datasets.rules.tally import SHAPES, Tally, only_count, read_lines, similarity

__all__ = [
    "HEAD_BYTES", "SEGMENT_BYTES", "Partial", "Question", "check", "detect_format", "merge", "read_head",
    "read_segment", "read_stream", "similarity",
]  # fmt: skip

SEGMENT_BYTES: Final = 64 * 1024**2
HEAD_BYTES: Final = LINE_BYTES_MAX + 1024**2
"""As much of a file's beginning as its format is told from: always a whole line, unless that is too long anyway."""
_HEAD_LINES: Final = 20
_HEAD_ENOUGH: Final = 1024**2


def detect_format(head: bytes) -> Format:
    """The format of the file that begins with `head`: its first HEAD_BYTES, or all of it."""
    head = head[:HEAD_BYTES]
    seen: list[bytes] = []
    for number, start, line in segment_lines([head], first=True):
        is_cut = len(head) == HEAD_BYTES and start + len(line or b"") >= len(head)
        if number > _HEAD_LINES or start > _HEAD_ENOUGH or (is_cut and seen):
            break
        text = head[start : start + _HEAD_ENOUGH] if line is None else line
        if text and not text.isspace():
            seen.append(text)
    return formats.detect(seen)


def read_segment(
    lines: Iterable[Placed], question: Question, counters: Mapping[str, Count], *, on_problem: Tell | None = None
) -> Partial:
    """Read the lines of one segment (`segment_lines`); `counters` count tokens per encoding.

    `on_problem` is told every problem, up to TOLD_PER_CODE of each code; their lines are numbered from the segment's
    beginning, as in what is returned.
    """
    if question.format.name not in SHAPES:
        return only_count(iter(lines))
    return read_lines(Tally(question, counters, on_problem), iter(lines))


def check(
    chunks: Iterable[bytes],
    counters: Mapping[str, Count],
    limits: Sequence[Limit],
    *,
    approximate: Collection[str] = (),
    trains: bool = True,
    deep: bool = True,
    errors_max: int = ERRORS_MAX,
    segment_bytes: int = SEGMENT_BYTES,
    verify: Verify | None = None,
    on_problem: Tell | None = None,
) -> Report:
    """Read a file from end to end and report on it; `Question`, `read_segment` and `merge` explain what is asked."""
    digest = hashlib.sha256()
    passed = passing(chunks, digest.update)
    head = read_head(passed)
    question = Question(detect_format(head), list(limits), trains, frozenset(approximate), errors_max, deep)
    found = read_stream(chain([head], passed), question, counters, segment_bytes=segment_bytes, on_problem=on_problem)
    report = merge(question, (partial for _, partial in found), verify=verify, on_problem=on_problem)
    return replace(report, sha256=digest.hexdigest())


def read_head(chunks: Iterable[bytes]) -> bytes:
    """As many of a file's first bytes as tell its format; takes no more chunks than that."""
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES or head.count(b"\n") >= _HEAD_LINES:
            break
    return bytes(head)


def read_stream(
    chunks: Iterable[bytes],
    question: Question,
    counters: Mapping[str, Count],
    *,
    segment_bytes: int = SEGMENT_BYTES,
    on_problem: Tell | None = None,
) -> Iterator[tuple[int, Partial]]:
    """Read a file from end to end: where each segment starts, and what was found in it.

    One in which no line starts adds nothing, and is left out. `on_problem` is told the lines as the file counts them.
    """
    before = 0
    lines = segment_lines(chunks, first=True)
    for segment, group in groupby(lines, lambda placed: placed.start // segment_bytes):
        start = segment * segment_bytes
        tell = _shifted(on_problem, before) if on_problem else None
        partial = read_segment(_renumbered(group, before, start), question, counters, on_problem=tell)
        before += partial.lines
        yield start, partial


def _renumbered(lines: Iterator[Placed], lines_before: int, bytes_before: int) -> Iterator[Placed]:
    for number, start, line in lines:
        yield Placed(number - lines_before, start - bytes_before, line)


def _shifted(tell: Tell, lines_before: int) -> Tell:
    def shift(problem: Problem) -> None:
        tell(problem.after(lines_before))

    return shift
