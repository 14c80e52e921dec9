"""CSV (RFC 4180) in UTF-8, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from service.kit import money
from service.kit.spreadsheets import guarded
from service.kit.tables.columns import Batch, Column, Kind


def write_csv(columns: Sequence[Column], batches: Iterable[Batch]) -> Iterator[bytes]:
    """A header, then a line for each row. Money is plain decimals to the last digit, instants `2026-11-20T12:00:00Z`.

    What could begin a formula gets an apostrophe before it; numbers, negative ones too, are left alone.
    """
    shown = [_SHOWN[column.kind] for column in columns]
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow([guarded(column.name) for column in columns])
    for batch in batches:
        lines.writerows(
            [None if value is None else show(value) for show, value in zip(shown, row, strict=True)] for row in batch
        )
        yield _taken(out)
    if rest := _taken(out):  # the header of a table without rows
        yield rest


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_SHOWN: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": guarded,
    "money": money.text,
    "decimal": money.plain,
    "integer": int,
    "date": str,
    "instant": _instant,
}


def _taken(out: io.StringIO) -> bytes:
    """What has been written so far; it is forgotten here."""
    written = out.getvalue().encode()
    out.seek(0)
    out.truncate()
    return written
