"""Parquet with exact decimals: `decimal128(20,10)`, UTC timestamps, dictionary-encoded texts, zstd."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from queue import Queue
from typing import TYPE_CHECKING, Any, Final

from service.kit import money
from service.kit.tables.columns import Batch, Column, Kind

if TYPE_CHECKING:
    from arro3.core import DataType, RecordBatch, Schema

_ROW_GROUP: Final = 65_536
_EPOCH: Final = date(1970, 1, 1)
_EPOCH_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class _Stopped(Exception):
    """Whoever asked for the file has gone."""


def write_parquet(
    columns: Sequence[Column], batches: Iterable[Batch], *, metadata: dict[str, str] | None = None
) -> Iterator[bytes]:
    """Row groups of 65,536 rows, each handed out as it is complete. `metadata` goes into the file's footer.

    The library pulls rows and pushes bytes until all is done, so it has a thread of its own: it is handed one batch at
    a time, and what it has written meanwhile is handed out. ValueError for an amount of more than twenty digits.
    """
    schema = _schema(columns)
    handed: Queue[RecordBatch | _Stopped | None] = Queue(maxsize=1)
    written, failed = _Written(), list[BaseException]()
    writing = threading.Thread(target=_write, args=(schema, handed, metadata, written, failed), daemon=True)
    writing.start()
    try:
        for batch in filter(None, batches):
            handed.put(_arrow(columns, schema, batch))
            if failed:
                break
            yield written.taken()
    except BaseException:
        handed.put(_Stopped())
        raise
    finally:
        handed.put(None)
        writing.join()
    if failed:
        raise failed[0]
    yield written.taken()


class _Written(io.RawIOBase):
    """A file of which only what nobody has taken yet is kept."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _write(
    schema: "Schema",
    handed: "Queue[RecordBatch | _Stopped | None]",
    metadata: dict[str, str] | None,
    written: _Written,
    failed: list[BaseException],
) -> None:
    """Write all that is handed over until None. After a failure the rest is taken all the same: nobody waits for us."""
    from arro3.core import RecordBatchReader  # noqa: PLC0415 - slow to load, and seldom needed
    from arro3.io import write_parquet as write  # noqa: PLC0415

    items = iter(handed.get, None)
    try:
        rows = RecordBatchReader.from_batches(schema, map(_unless_stopped, items))  # type: ignore[arg-type]
        write(rows, written, compression="zstd(3)", max_row_group_size=_ROW_GROUP, key_value_metadata=metadata)  # type: ignore[arg-type]
    except BaseException as error:  # noqa: BLE001 - raised where the file is read
        failed.append(error)
        for _ in items:
            pass


def _unless_stopped(item: "RecordBatch | _Stopped | None") -> "RecordBatch | None":
    if isinstance(item, _Stopped):
        raise item
    return item


def _schema(columns: Sequence[Column]) -> "Schema":
    from arro3.core import DataType as Of  # noqa: PLC0415
    from arro3.core import Field, Schema  # noqa: PLC0415

    types: dict[Kind, DataType] = {
        "text": Of.utf8(),
        "money": Of.decimal128(20, 10),
        "decimal": Of.decimal128(38, 18),
        "integer": Of.int64(),
        "date": Of.date32(),
        "instant": Of.timestamp("us", tz="UTC"),
    }
    return Schema([Field(column.name, types[column.kind], nullable=True) for column in columns])


def _arrow(columns: Sequence[Column], schema: "Schema", batch: Batch) -> "RecordBatch":
    """What the library can build of Python's values is texts and integers; the rest it makes of those."""
    from arro3.compute import cast  # noqa: PLC0415
    from arro3.core import Array, DataType, RecordBatch  # noqa: PLC0415

    built: dict[Kind, DataType] = {
        "text": DataType.utf8(), "money": DataType.utf8(), "decimal": DataType.utf8(),
        "integer": DataType.int64(),
        "date": DataType.int32(), "instant": DataType.int64(),
    }  # fmt: skip
    arrays = []
    for index, column in enumerate(columns):
        make = _PLAIN[column.kind]
        values = [None if row[index] is None else make(row[index]) for row in batch]
        array = cast(Array(values, built[column.kind]), schema.field(index).type)
        if array.null_count != values.count(None):  # what a type cannot hold the library makes a null
            raise ValueError(f"a value of {column.name} is too large for {array.type}")
        arrays.append(array)
    return RecordBatch.from_arrays(arrays, schema=schema)


def _day(value: date) -> int:
    return (value - _EPOCH).days


def _microseconds(value: datetime) -> int:
    return (value - _EPOCH_INSTANT) // _MICROSECOND


_PLAIN: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": str,
    "money": money.text,
    "decimal": money.plain,
    "integer": int,
    "date": _day,
    "instant": _microseconds,
}
