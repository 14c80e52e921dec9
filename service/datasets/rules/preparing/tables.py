"""CSV, TSV and plain lines."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import Chosen, Layout, Row
from service.datasets.rules.preparing.texts import Read, lines
from service.datasets.rules.problems import LINE_BYTES_MAX

_HEAD_LINES: Final = 200
_HEAD_BYTES: Final = 1024 * 1024
_DELIMITERS: Final = ("\t", ",", ";", "|")

csv.field_size_limit(LINE_BYTES_MAX)  # the module's own is 128 KiB, and too short for a long document


def layout(read: Read, *, delimiter: str | None) -> Layout | None:
    """How a table is laid out, told from its first lines; none where they are no table of two columns or more."""
    head = _head(read)
    for one in (delimiter,) if delimiter else _DELIMITERS:
        if len(widths := {line.count(one) for line in head if line.strip()}) == 1 and one == "\t" and max(widths):
            # Equally many tabs in every line: quotes are text, as in tweets, but for those around a whole field.
            return Layout("tsv", one, is_quoted=False)
        found = _widths(head, one)
        if found and found[0] > 1 and found.count(found[0]) * 4 >= len(found) * 3:
            return Layout("tsv" if one == "\t" else "csv", one)
    return Layout("tsv" if delimiter == "\t" else "csv", delimiter) if delimiter else None


def _head(read: Read) -> list[str]:
    found: list[str] = []
    size = 0
    for line in islice(lines(read()), _HEAD_LINES):
        found.append(line)
        size += len(line)
        if size > _HEAD_BYTES:
            break
    return found


def _widths(head: Sequence[str], delimiter: str) -> list[int]:
    """Columns of each row of the head; the last may be cut off in the middle."""
    found: list[int] = []
    try:
        for row in csv.reader(iter(head), delimiter=delimiter, strict=True):
            found += [len(row)] if row else []
    except csv.Error:
        pass
    return found


def header(read: Read, how: Layout) -> tuple[str, ...]:
    """The names in the first row. Raises CannotBePrepared."""
    _, names = next(_records(read, how), (0, []))
    return tuple(names)


def rows(read: Read, how: Layout, chosen: Chosen) -> Iterator[Row]:
    """The rows below the header; `place` is the line that a row begins in. Raises CannotBePrepared."""
    records = _records(read, how)
    next(records, None)
    for place, record in records:
        prompt = "" if chosen.prompt is None else _field(record, chosen.prompt)
        yield Row(place, prompt, _field(record, chosen.completion))


def _field(record: Sequence[str], number: int) -> str:
    return record[number] if number < len(record) else ""


def _records(read: Read, how: Layout) -> Iterator[tuple[int, list[str]]]:
    if not how.is_quoted:
        for place, line in enumerate(lines(read()), 1):
            if line.strip():
                yield place, [_unquoted(field) for field in line.removesuffix("\n").split(how.delimiter)]
        return
    reader = csv.reader(lines(read()), delimiter=how.delimiter, strict=True)
    while True:
        place = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise CannotBePrepared("row_unreadable", unit="line", place=place, reason=_reason(error)) from None
        if record is None:
            return
        if record:
            yield place, record


def _reason(error: csv.Error) -> str:
    said = str(error)
    if said.startswith("field larger"):
        return f"a field is longer than {LINE_BYTES_MAX // 1024**2} MiB, or a quote is never closed"
    return "a quote is never closed" if said.startswith("unexpected end") else "its quotes do not match"


def _unquoted(field: str) -> str:
    """The field without quotes around all of it, if those inside are doubled as they then must be."""
    inner = field[1:-1]
    is_quoted = field == f'"{inner}"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else field


def plain_lines(read: Read) -> Iterator[Row]:
    """Each line a completion without a prompt (openai.md §4.1)."""
    for place, line in enumerate(lines(read()), 1):
        yield Row(place, "", line.removesuffix("\n"))
