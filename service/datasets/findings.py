"""All problems of a dataset, out of what was kept of them in storage: page by page, or as one stream.

They come in the order in which they were found: by line, then what only the whole file shows.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from msgspec import json

from service.datasets.errors import CursorUnknown, DatasetFileGone
from service.datasets.rules.problems import KEPT_PER_CODE, RULES, TOLD_PER_CODE, Problem, Severity
from service.datasets.schemas.reading import KeptProblem, ProblemPage
from service.datasets.stored import Part, Stored, ranged
from service.kit import ids, storage
from service.kit.spreadsheets import guarded

_decode: Final = json.Decoder(Problem).decode
_LOOKED_AT_MAX: Final = 200_000  # problems for a page: a second
_TAIL_BYTES: Final = 32 * storage.CHUNK_BYTES  # all that only a whole file shows: TOLD_PER_CODE of two codes, and a few
_SENT_AT_ONCE: Final = 500
NOT_KEPT: Final = "not_kept"
"""The code of what stands for problems that are not there."""


class Place(NamedTuple):
    """Behind a problem: in which part, and at which byte of it; among the report's own problems, behind which one."""

    part: int
    at: int

    def __str__(self) -> str:
        return f"{self.part}.{self.at}"


class Taken(NamedTuple):
    """Problems, each with the place behind it. With `more`, go on at `behind`."""

    found: list[tuple[Place, Problem]]
    behind: Place
    more: bool


Wanted = Callable[[Problem], bool]


def wanted(code: str | None = None, severity: Severity | None = None) -> Wanted:
    """Tells whether a problem is one of those asked for."""
    return lambda one: code in (None, one.code) and severity in (None, one.severity)


def on_lines(code: str) -> Wanted:
    """Tells whether a problem is of this code, and of a line."""
    return lambda one: one.code == code and one.line is not None


def page(stored: Stored, is_wanted: Wanted, *, after: str | None, limit: int) -> ProblemPage:
    """Up to so many problems as the API shows them. Raises CursorUnknown or DatasetFileGone."""
    taken = take(stored, is_wanted, after=after, limit=limit)
    shown = [KeptProblem.of(one, id=str(place)) for place, one in taken.found]
    there = _totals(stored, is_wanted)
    return ProblemPage(
        data=shown,
        has_more=taken.more,
        first_id=shown[0].id if shown else None,
        last_id=str(taken.behind) if shown or taken.more else None,
        total=sum(there.values()),
        may_be_cut=[code for code, total in there.items() if total > _kept_at_least(stored)],
    )


def take(stored: Stored, is_wanted: Wanted, *, after: str | None, limit: int, once_a_line: bool = False) -> Taken:
    """Up to so many problems; fewer, with more to come, where they are rare. Raises CursorUnknown, DatasetFileGone."""
    behind = _place(stored, after)
    found: list[tuple[Place, Problem]] = []
    lines: set[int | None] = set()
    for looked_at, (place, one) in enumerate(_walk(stored, behind), 1):
        if is_wanted(one) and not (once_a_line and one.line in lines):
            if len(found) == limit:
                return Taken(found, behind, more=True)
            found.append((place, one))
            lines.add(one.line)
        behind = place
        if looked_at == _LOOKED_AT_MAX:
            return Taken(found, behind, more=True)
    return Taken(found, behind, more=False)


def every(stored: Stored, is_wanted: Wanted) -> Iterator[Problem]:
    """All of them, one held at a time; then one more for each code of which not all were kept. Raises DatasetFileGone.

    That it raises at once: when the first are on their way it is too late for an error.
    """
    for part in stored.parts or ():
        _size(stored, part)
    return _every(stored, is_wanted)


def _every(stored: Stored, is_wanted: Wanted) -> Iterator[Problem]:
    kept: Counter[str] = Counter()
    for _, one in _walk(stored, _BEGINNING):
        if is_wanted(one):
            kept[one.code] += 1
            yield one
    for code, total in _totals(stored, is_wanted).items():
        if total > kept[code]:
            missing = f"{total - kept[code]} more of {code} were counted and not kept."
            yield replace(_of_file(code, missing), code=NOT_KEPT)


def of_whole_file(stored: Stored, codes: frozenset[str]) -> Iterator[Problem]:
    """Problems of these codes, which only the whole file shows."""
    if stored.parts is None:
        yield from (one for one in _reported(stored) if one.code in codes)
    for part in (stored.parts or ())[-1:]:
        size = _size(stored, part)
        for _, one in _read(stored, part, max(0, size - _TAIL_BYTES), size):
            if one.code in codes:
                yield one


def as_json_lines(found: Iterable[Problem]) -> Iterator[bytes]:
    """One object a line."""
    lines = (json.encode(one) + b"\n" for one in found)
    return iter(lambda: b"".join(islice(lines, _SENT_AT_ONCE)), b"")


def as_csv(found: Iterable[Problem]) -> Iterator[bytes]:
    """RFC 4180, safe to open in a spreadsheet: line, pointer, code, severity, message."""
    yield _rows([("line", "pointer", "code", "severity", "message")])
    rows = ((one.line, *map(guarded, (one.pointer, one.code, one.severity, one.message))) for one in found)
    while some := list(islice(rows, _SENT_AT_ONCE)):
        yield _rows(some)


def _totals(stored: Stored, is_wanted: Wanted) -> dict[str, int]:
    """Code → how often, of those asked for. Exact, whatever was kept."""
    return {code: total for code, total in stored.totals.items() if is_wanted(_of_file(code, ""))}


def _kept_at_least(stored: Stored) -> int:
    """So many problems of each code were kept, if there were as many."""
    return KEPT_PER_CODE if stored.parts is None else TOLD_PER_CODE


def _rows(cells: Sequence[Iterable[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(cells)
    return out.getvalue().encode()


_BEGINNING: Final = Place(0, 0)
_PLACE: Final = re.compile(r"(?P<part>[0-9]{1,6})\.(?P<at>[0-9]{1,15})")


def _place(stored: Stored, after: str | None) -> Place:
    """Where a cursor points to. Raises CursorUnknown."""
    if after is None:
        return _BEGINNING
    written = _PLACE.fullmatch(after)
    if written is None:
        raise CursorUnknown(after=after)
    place = Place(int(written["part"]), int(written["at"]))
    if not _is_between_problems(stored, place):
        raise CursorUnknown(after=after)
    return place


def _is_between_problems(stored: Stored, place: Place) -> bool:
    if place == _BEGINNING:
        return True
    if stored.parts is None:
        return place.part == 0 and place.at <= len(stored.reported)
    if place.part >= len(stored.parts):
        return False
    part = stored.parts[place.part]
    at = place.at
    return 0 < at <= _size(stored, part) and b"".join(ranged(stored, part.key, at - 1, at)) == b"\n"


def _walk(stored: Stored, start: Place) -> Iterator[tuple[Place, Problem]]:
    """Every problem behind a place. Raises DatasetFileGone."""
    if stored.parts is None:
        for at, one in enumerate(_reported(stored), 1):
            if at > start.at:
                yield Place(0, at), one
    for number, part in enumerate(stored.parts or ()):
        if number >= start.part:
            begin = start.at if number == start.part else 0
            for at, one in _read(stored, part, begin, _size(stored, part)):
                yield Place(number, at), one


def _read(stored: Stored, part: Part, begin: int, size: int) -> Iterator[tuple[int, Problem]]:
    """(the byte behind it, problem) of each that begins at byte `begin` or later."""
    at = max(begin - 1, 0)  # whether one begins at `begin` shows in the byte before
    is_rest = begin > 0
    held = b""
    for chunk in ranged(stored, part.key, at, size):
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            at += len(line) + 1
            if not is_rest:
                yield at, _decode(line).after(part.lines_before)
            is_rest = False


def _reported(stored: Stored) -> Iterator[Problem]:
    return (Problem(**one | {"severity": Severity(one["severity"])}) for one in stored.reported)


def _of_file(code: str, message: str) -> Problem:
    severity = RULES[code][0] if code in RULES else Severity.WARNING
    return Problem(None, "", code, severity, message)


def _size(stored: Stored, part: Part) -> int:
    try:
        return storage.size(part.key)
    except FileNotFoundError as gone:
        raise DatasetFileGone(id=ids.show("dset", stored.id)) from gone
