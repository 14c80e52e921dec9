"""The streaming check: one pass over a file's bytes finds its problems, counts its tokens and hashes it.

Nothing but a line is ever held. Most lines take the fast path (`plain`); a line that does not fit it is read again by
`exact`, which finds out why.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from msgspec import MsgspecError

from service.datasets.rules import counting, exact, formats, items, pairs, plain
from service.datasets.rules.counting import Count, Pieces
from service.datasets.rules.lines import Line, Unreadable, has_lone_surrogate, numbered, read_json
from service.datasets.rules.problems import (
    ERRORS_MAX,
    EXAMPLES_ADVISED,
    EXAMPLES_MIN,
    LINE_BYTES_MAX,
    RULES,
    Problems,
    Severity,
)
from service.datasets.rules.report import Billing, Limit, Report
from service.datasets.rules.shapes import decode
from service.datasets.rules.spread import Spread

_HEAD_LINES: Final = 20
_HEAD_BYTES: Final = 1024 * 1024


def check(
    chunks: Iterable[bytes],
    counters: Mapping[str, Count],
    limits: Sequence[Limit],
    *,
    approximate: Collection[str] = (),
    trains: bool = True,
    errors_max: int = ERRORS_MAX,
) -> Report:
    """Read a file to its end and report on it; after `errors_max` errors the rest is hashed, but no longer checked.

    `counters` counts tokens per encoding, those in `approximate` not exactly; `limits` are what examples are cut to.
    Where nothing is to be trained on it (not `trains`), one example is enough.
    """
    digest = hashlib.sha256()
    lines = numbered(_passing(chunks, digest.update))
    head = list(_head(lines))
    found = formats.detect([line for _, line in head if line and not line.isspace()])
    tally = Tally(counters, limits, trains=trains)
    if tally.reads(found.name):
        for number, line in chain(head, lines):
            tally.line(number, line)
            if tally.problems.severities[Severity.ERROR] >= errors_max:
                tally.stop(number, lines=number + sum(1 for _ in lines))
                break
        else:
            tally.conclude()
    else:
        tally.refuse(found, lines=len(head) + sum(1 for _ in lines))
    return tally.report(found.name, digest.hexdigest(), approximate)


def _passing(chunks: Iterable[bytes], see: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        see(chunk)
        yield chunk


def _head(lines: Iterator[tuple[int, Line]]) -> Iterator[tuple[int, Line]]:
    """The first lines, from which the format is told."""
    size = 0
    for count, (number, line) in enumerate(lines, 1):
        yield number, line
        size += len(line or b"")
        if count == _HEAD_LINES or size > _HEAD_BYTES:
            return


class Shape(NamedTuple):
    """What there is to say about a line of a format, and what of it is counted where that is no error."""

    findings: Callable[[Any], Iterator[exact.Finding]]
    pieces_of: Callable[[dict[str, Any]], Pieces]


_SHAPES: Final = {
    formats.CHAT: Shape(exact.findings, counting.pieces_of),
    formats.PREFERENCE: Shape(pairs.findings, pairs.pieces_of),
    formats.REINFORCEMENT: Shape(items.findings, counting.pieces_of),
}


class Tally:
    """What was found so far."""

    def __init__(self, counters: Mapping[str, Count], limits: Sequence[Limit], *, trains: bool) -> None:
        self._trains = trains
        self._count = {encoding: counting.memoised(count) for encoding, count in counters.items()}
        self._limits = limits
        self._tools = plain.ToolReader()
        self._format, self._shape = formats.CHAT, _SHAPES[formats.CHAT]
        self.problems = Problems()
        self._lines = 0
        self._examples: int | None = 0
        self._without: Counter[str] = Counter()
        self._messages = Spread()
        self._tokens = {encoding: Spread() for encoding in counters}
        self._learned = {encoding: Spread() for encoding in counters}

    def reads(self, name: str) -> bool:
        """Whether lines of that format can be read; those that come are then taken to be of it."""
        if name in _SHAPES:
            self._format, self._shape = name, _SHAPES[name]
        return name in _SHAPES

    def line(self, number: int, line: Line) -> None:
        """Check and count one line."""
        self._lines = number
        if line is not None and (not line or line.isspace()):
            self.problems.add(number, "", "empty_line")
            return
        self._examples = (self._examples or 0) + 1
        if line is None:
            self.problems.add(number, "", "line_too_long", limit_mib=LINE_BYTES_MAX // 1024**2)
            return
        pieces = self._plain_pieces(line) if self._format == formats.CHAT else None
        if pieces is None:
            pieces = self._exact_pieces(number, line)
        if pieces is not None:
            self._add(number, pieces)

    def _plain_pieces(self, line: bytes) -> Pieces | None:
        try:
            return plain.pieces_of(decode(line), self._tools.read)
        except (MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _exact_pieces(self, number: int, line: bytes) -> Pieces | None:
        """The pieces of an example without an error; whatever there is to say about it becomes a problem."""
        try:
            example = read_json(line)
            halved = has_lone_surrogate(line, example)
        except Unreadable as unreadable:
            self.problems.add(number, "", unreadable.code, **unreadable.facts)
            return None
        sound = True
        for finding in self._shape.findings(example):
            self.problems.add(number, finding.pointer, finding.code, **finding.facts)
            sound = sound and RULES[finding.code][0] is Severity.WARNING
        if halved:
            self.problems.add(number, "", "lone_surrogate")
        try:
            return self._shape.pieces_of(example) if sound else None
        except RecursionError:  # tools that could just be read cannot always be written
            self.problems.add(number, "", "nested_too_deep")
            return None

    def _add(self, number: int, pieces: Pieces) -> None:
        self._messages.add(pieces.messages)
        if not pieces.has_system:
            self._without["system"] += 1
        if not pieces.has_user:
            self._without["user"] += 1
        for encoding, count in self._count.items():
            tokens, learned = counting.tokens_of(pieces, count)
            self._tokens[encoding].add(tokens)
            self._learned[encoding].add(learned)
            for limit in self._limits:
                if limit.encoding == encoding and tokens > limit.tokens:
                    lost = tokens - limit.tokens
                    share = 100 * lost // tokens
                    self.problems.add(
                        number, "", "example_too_long", tokens=tokens, limit=limit.tokens, lost=lost, share=share
                    )

    def stop(self, number: int, *, lines: int) -> None:
        """Say that there are too many errors to go on after this line, of so many."""
        self._lines = lines
        self.problems.add(None, "", "too_many_errors", line=number, errors=self.problems.severities[Severity.ERROR])

    def conclude(self) -> None:
        """Say what only the end of a file shows: whether there are enough examples."""
        if not self._examples:
            self.problems.add(None, "", "empty_file")
        elif not self._trains:
            return
        elif self._examples < EXAMPLES_MIN:
            self.problems.add(None, "", "too_few_examples", examples=self._examples)
        elif self._examples < EXAMPLES_ADVISED:
            self.problems.add(None, "", "few_examples", examples=self._examples)

    def refuse(self, found: formats.Format, *, lines: int) -> None:
        """Say that this is another format, of so many lines."""
        self._lines, self._examples = lines, None
        self.problems.add(None, "", "unsupported_format", found=found.words, chat=formats.CHAT_EXAMPLE)

    def report(self, found: str, sha256: str, approximate: Collection[str]) -> Report:
        """Everything found, the file's own problems first."""
        counted = self._tokens if self._examples is not None else {}
        return Report(
            format=found,
            sha256=sha256,
            lines=self._lines,
            examples=self._examples,
            errors=self.problems.severities[Severity.ERROR],
            warnings=self.problems.severities[Severity.WARNING],
            problems=sorted(self.problems.kept, key=lambda problem: problem.line or 0),
            problem_totals=self.problems.totals,
            without_system=self._without["system"],
            without_user=self._without["user"],
            messages=self._messages.as_json(),
            tokens=[
                {
                    "encoding": encoding,
                    "exact": encoding not in approximate,
                    "per_example": tokens.as_json(),
                    "assistant": self._learned[encoding].as_json(),
                }
                for encoding, tokens in counted.items()
            ],
            billing=[self._billing(limit) for limit in self._limits if limit.encoding in counted],
        )

    def _billing(self, limit: Limit) -> Billing:
        tokens = self._tokens[limit.encoding]
        billed, truncated, lost = tokens.capped(limit.tokens)
        return Billing(limit.encoding, limit.tokens, billed, tokens.longest, truncated, lost)
