"""Workbooks that show numbers as numbers, texts as texts whatever they begin with, and dates as dates."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service.kit.tables.columns import Batch, Column, Kind

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook, Worksheet

ROWS_MAX: Final = 1_048_576
"""Excel's own; the rows after them go to further sheets, each with the header."""
_CHUNK_BYTES: Final = 64 * 1024
_FORMATS: Final[dict[Kind, str | None]] = {
    "text": None,
    "money": "0.00########",
    "decimal": "0.##################",
    "integer": "0",
    "date": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
}
_WIDTHS: Final[dict[Kind, int]] = {"text": 24, "money": 18, "decimal": 24, "integer": 14, "date": 12, "instant": 20}
_MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the same in every workbook: equal rows make equal bytes


def write_xlsx(columns: Sequence[Column], batches: Iterable[Batch], *, rows_max: int = ROWS_MAX) -> Iterator[bytes]:
    """A workbook of one sheet or more, its header frozen. Pieces are empty until all rows are there: a zip ends last.

    A cell holds a double, as spreadsheets do: of money it shows 15 digits, so who must have more takes CSV or Parquet.
    It holds 32,767 characters at most. Instants are in UTC, to the millisecond.
    """
    import xlsxwriter  # noqa: PLC0415 - slow to load, and seldom needed

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        book = xlsxwriter.Workbook(file, options | {"tmpdir": folder})
        book.set_properties({"created": _MADE})
        for _ in _fill(book, columns, batches, rows_max):
            yield b""
        book.close()
        file.seek(0)
        while piece := file.read(_CHUNK_BYTES):
            yield piece


def _fill(book: "Workbook", columns: Sequence[Column], batches: Iterable[Batch], rows_max: int) -> Iterator[None]:
    formats = [book.add_format({"num_format": _FORMATS[column.kind] or "@"}) for column in columns]
    bold = book.add_format({"bold": True})
    cells = [(index, _WRITE[column.kind], formats[index]) for index, column in enumerate(columns)]
    sheet, line = _sheet(book, columns, bold), 1
    for batch in batches:
        for row in batch:
            if line == rows_max:
                sheet, line = _sheet(book, columns, bold), 1
            for index, write, form in cells:
                if (value := row[index]) is not None:
                    write(sheet, line, index, value, form)
            line += 1
        yield


def _sheet(book: "Workbook", columns: Sequence[Column], bold: "Format") -> "Worksheet":
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for index, column in enumerate(columns):
        sheet.set_column(index, index, max(_WIDTHS[column.kind], len(column.name) + 2))
        sheet.write_string(0, index, column.name, bold)
    return sheet


def _text(sheet: "Worksheet", line: int, index: int, value: str, _form: "Format") -> None:
    sheet.write_string(line, index, value)


def _number(sheet: "Worksheet", line: int, index: int, value: Any, form: "Format") -> None:
    sheet.write_number(line, index, value, form)


def _date(sheet: "Worksheet", line: int, index: int, value: Any, form: "Format") -> None:
    sheet.write_datetime(line, index, value, form)


def _instant(sheet: "Worksheet", line: int, index: int, value: datetime, form: "Format") -> None:
    sheet.write_datetime(line, index, value.astimezone(UTC).replace(tzinfo=None), form)


_WRITE: Final[dict[Kind, Callable[..., None]]] = {
    "text": _text,
    "money": _number,
    "decimal": _number,
    "integer": _number,
    "date": _date,
    "instant": _instant,
}
