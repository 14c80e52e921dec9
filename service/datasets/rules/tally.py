"""Reading one segment: its problems are found, its tokens counted, line by line in one pass.

Nothing but a line is ever held. Most lines take the fast path (`plain`); a line that does not fit it is read again by
`exact`, which finds out why.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from service.datasets.rules import completions, counting, exact, formats, items, pairs, plain
from service.datasets.rules.counting import Count, Pieces
from service.datasets.rules.hashes import example_hash
from service.datasets.rules.lines import Line, Placed, Unreadable, has_lone_surrogate, read_json
from service.datasets.rules.partial import MARK_BYTES, Counts, Partial, Question
from service.datasets.rules.places import strings_of
from service.datasets.rules.problems import LINE_BYTES_MAX, RULES, Severity, Tell, problem
from service.datasets.rules.strings import Strings, remarkable, tokens
from service.datasets.rules.texts import near
from service.datasets.rules.texts.facts import facts_of
from service.datasets.rules.words import conversation


class Shape(NamedTuple):
    """What there is to say about a line of a format, and what of it is counted where that is no error."""

    findings: Callable[[Any], Iterator[exact.Finding]]
    pieces_of: Callable[[dict[str, Any]], Pieces]


SHAPES: Final = {
    formats.CHAT: Shape(exact.findings, counting.pieces_of),
    formats.PREFERENCE: Shape(pairs.findings, pairs.pieces_of),
    formats.REINFORCEMENT: Shape(items.findings, counting.pieces_of),
    formats.COMPLETION: Shape(completions.findings, completions.pieces_of),
}
"""The formats whose lines are read."""


class Tally:
    """What was found in a segment so far."""

    def __init__(self, question: Question, counters: Mapping[str, Count], tell: Tell | None) -> None:
        self._question, self._tell = question, tell
        self._shape = SHAPES[question.format.name]
        self._is_chat = question.format.name == formats.CHAT
        self._tools = plain.ToolReader()
        self._strings = Strings(list(counters.values()), _is_remarkable if question.deep else None)
        self._roles: dict[str, int] = {}
        self._counts = [Counts() for _ in counters]
        self._limits = [[limit for limit in question.limits if limit.encoding == encoding] for encoding in counters]
        self.found = Partial(counts=dict(zip(counters, self._counts, strict=True)))

    @property
    def is_hopeless(self) -> bool:
        """Whether there are too many errors to go on."""
        return self.found.problems.errors >= self._question.errors_max

    def line(self, number: int, line: Line) -> None:
        """Check and count one line."""
        if line is not None and (not line or line.isspace()):
            self._say(number, "", "empty_line")
            return
        self.found.examples += 1
        if line is None:
            self._say(number, "", "line_too_long", limit_mib=LINE_BYTES_MAX // 1024**2)
            return
        pieces = plain.pieces_of(line, self._tools.read) if self._is_chat else None
        if pieces is None:
            pieces = self._exact_pieces(number, line)
        if pieces is not None and self._add(number, pieces):
            self._say_where(number, line)

    def _say(self, number: int, pointer: str, code: str, /, **facts: Any) -> None:
        self.found.problems.add(problem(number, pointer, code, **facts), self._tell)

    def _exact_pieces(self, number: int, line: bytes) -> Pieces | None:
        """The pieces of an example without an error; whatever there is to say about it becomes a problem."""
        try:
            example = read_json(line)
            halved = has_lone_surrogate(line, example)
        except Unreadable as unreadable:
            self._say(number, "", unreadable.code, **unreadable.facts)
            return None
        sound = True
        for finding in self._shape.findings(example):
            self._say(number, finding.pointer, finding.code, **finding.facts)
            sound = sound and RULES[finding.code][0] is Severity.WARNING
            if self.is_hopeless:  # a line has room for millions
                break
        if halved:
            self._say(number, "", "lone_surrogate")
        return self._shape.pieces_of(example) if sound else None

    def _add(self, number: int, pieces: Pieces) -> bool:
        """Count an example; whether there is more to say about one of its strings."""
        found = self.found
        found.messages.add(len(pieces.said))
        if pieces.framed:
            roles = {said.role for said in pieces.said}
            found.without_system += "system" not in roles and "developer" not in roles
            found.without_user += "user" not in roles
        weight = counting.weigh(pieces, self._strings.count, self._strings.unit, self._roles)
        found.image_examples += weight.images > 0
        for place, counts in enumerate(self._counts):
            total = tokens(weight.tokens, place)
            counts.tokens.add(total)
            counts.learned.add(tokens(weight.learned, place))
            counts.notebook.add(tokens(weight.notebook, place))
            counts.notebook_learned.add(tokens(weight.notebook_learned, place))
            counts.tools += tokens(weight.tools, place)
            counts.images += tokens(weight.images, place)
            for limit in self._limits[place]:
                if total > limit.tokens:
                    self._say_cut(number, total, limit.tokens)
        if self._question.deep:
            found.hashes.add(number, example_hash(pieces))
            found.words.add(number, pieces)
        return remarkable(weight.tokens) > 0 or remarkable(weight.notebook) > 0

    def _say_where(self, number: int, line: bytes) -> None:
        """Find the strings of a line again that are remarkable, now with their places."""
        for pointer, code, facts in remarks(line):
            self._say(number, pointer, code, **facts)

    def _say_cut(self, number: int, total: int, limit: int) -> None:
        lost = total - limit
        share = 100 * lost // total
        self._say(number, "", "example_too_long", tokens=total, limit=limit, lost=lost, share=share)

    def conclude(self) -> Partial:
        """What was found, now that the segment is at its end."""
        for place, counts in enumerate(self._counts):
            counts.roles = {role: tokens(packed, place) for role, packed in self._roles.items()}
        self.found.words.settle()
        return self.found


def _is_remarkable(text: str) -> bool:
    return bool(facts_of(text).findings)


def remarks(line: bytes) -> Iterator[exact.Finding]:
    """What there is to say about the strings of a sound line: where each secret stands, say."""
    for pointer, text in strings_of(read_json(line)):
        for code, start, end in facts_of(text).findings:
            yield exact.Finding(pointer, code, {"start": start, "end": end})


def similarity(line: bytes, other: bytes, found: str) -> float:
    """How similar the conversations of two sound lines of a format are, from 0 to 1: what `merge` verifies with."""
    pieces_of = SHAPES[found].pieces_of
    return near.similarity(conversation(pieces_of(read_json(line))), conversation(pieces_of(read_json(other))))


def read_lines(tally: Tally, lines: Iterator[Placed]) -> Partial:
    """Read a segment's lines to the last; past too many errors they are only counted."""
    found = tally.found
    for number, start, line in lines:
        found.lines = number
        _mark(found, number, start)
        if found.stopped:
            continue
        tally.line(number, line)
        if tally.is_hopeless:
            found.stopped = number
    return tally.conclude()


def only_count(lines: Iterator[Placed]) -> Partial:
    """What there is to find in a segment of a format whose lines are not read: how many they are."""
    found = Partial()
    for number, start, _ in lines:
        found.lines = number
        _mark(found, number, start)
    return found


def _mark(found: Partial, number: int, start: int) -> None:
    while len(found.marks) * MARK_BYTES <= start:
        found.marks.append(number)
