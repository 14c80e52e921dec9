"""XLSX. A workbook cannot be read piece by piece, so it is weighed before."""

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import Chosen, Layout, Row
from service.datasets.rules.preparing.texts import Read
from service.datasets.rules.preparing.weighing import unreadable, weigh

PACKED_BYTES_MAX: Final = 32 * 1024 * 1024


def look(read: Read, how: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first row that is not empty, and the names of all sheets. Raises CannotBePrepared."""
    workbook = _opened(read)
    _, names = next(_records(workbook, how), (0, []))
    return tuple(map(_text, names)), tuple(sheet.name for sheet in _sheets(workbook))


def rows(read: Read, how: Layout, chosen: Chosen) -> Iterator[Row]:
    """The rows below it; `place` is the sheet's own number. Raises CannotBePrepared."""
    records = _records(_opened(read), how)
    next(records, None)
    for place, record in records:
        prompt = "" if chosen.prompt is None else _text(record[chosen.prompt])
        yield Row(place, prompt, _text(record[chosen.completion]))


def _records(workbook: Any, how: Layout) -> Iterator[tuple[int, list[Any]]]:
    found = _sheets(workbook)
    if not 1 <= how.sheet <= len(found):
        raise CannotBePrepared("sheet_unknown", sheets=len(found), sheet=how.sheet)
    with _damage_told():
        sheet = workbook.get_sheet_by_name(found[how.sheet - 1].name)
        for place, record in enumerate(sheet.iter_rows(), 1):  # empty rows above the first cell included
            if any(cell != "" for cell in record):
                yield place, record


@contextmanager
def _damage_told() -> Iterator[None]:
    """What the reader cannot read, as a refusal."""
    from python_calamine import CalamineError  # noqa: PLC0415 - only workers have use for it

    try:
        yield
    except (CalamineError, ValueError, OSError):
        raise unreadable("it is damaged, or protected by a password") from None


def _sheets(workbook: Any) -> list[Any]:
    from python_calamine import SheetTypeEnum  # noqa: PLC0415

    return [one for one in workbook.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]


def _text(cell: object) -> str:
    """As it reads; what Excel holds as 1.0 was written as 1."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return repr(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


def _opened(read: Read) -> Any:
    from python_calamine import CalamineWorkbook  # noqa: PLC0415

    packed = bytearray()
    for chunk in read():
        packed += chunk
        if len(packed) > PACKED_BYTES_MAX:
            raise unreadable(f"it is larger than {PACKED_BYTES_MAX // 1024**2} MiB; save it as CSV")
    weigh(bytes(packed))
    with _damage_told():
        return CalamineWorkbook.from_filelike(io.BytesIO(packed))
