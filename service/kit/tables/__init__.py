"""Tables as files: CSV, workbooks and Parquet, written from batches of rows in constant memory and handed out as made.

    columns = (Column("team", "text"), Column("cost", "money"))
    for piece in WRITERS["csv"](columns, batches): ...

A row is a sequence with a value for each column; None is no value, never an empty text or a zero. Equal rows make equal
bytes. A writer asks for the next batch only when it has written the last one, and after each lets its caller go on:
a piece may be empty. Whoever stops asking closes the writer, and with it the batches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from service.kit.tables.columns import Batch, Column, Kind
from service.kit.tables.csv import write_csv
from service.kit.tables.parquet import write_parquet
from service.kit.tables.xlsx import write_xlsx

Writer = Callable[[Sequence[Column], Iterable[Batch]], Iterator[bytes]]
WRITERS: Final[dict[str, Writer]] = {"csv": write_csv, "xlsx": write_xlsx, "parquet": write_parquet}

__all__ = ["WRITERS", "Batch", "Column", "Kind", "Writer", "write_csv", "write_parquet", "write_xlsx"]
