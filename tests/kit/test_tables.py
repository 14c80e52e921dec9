"""Tables as files: what was written is what their users' programs read."""

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from service.kit.spreadsheets import guarded
from service.kit.tables import WRITERS, Batch, Column, write_csv, write_parquet, write_xlsx

COLUMNS = (
    Column("team", "text"), Column("cost", "money"), Column("tokens", "integer"), Column("day", "date"),
    Column("charged_at", "instant"),
)  # fmt: skip
AT = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
ROW = ("support-bot", Decimal("-0.2583600000"), 86_120, date(2026, 11, 20), AT)
NONE = (None, None, None, None, None)
EVIL = (
    '=HYPERLINK("http://evil","x")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "https://example.com",
    "0012",
    "1e3",
    " a ",
    "",
)
quick = settings(derandomize=True, deadline=None, max_examples=50)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
amounts = st.decimals(-(10**9), 10**9, places=10)


def written(form: str, *batches: Batch) -> bytes:
    return b"".join(WRITERS[form](COLUMNS, batches))


def test_csv_is_plain_and_exact() -> None:
    assert written("csv", [ROW], [], [NONE]).decode() == (
        "team,cost,tokens,day,charged_at\r\n"
        "support-bot,-0.25836,86120,2026-11-20,2026-11-20T12:30:15.123456Z\r\n"
        ",,,,\r\n"
    )


@pytest.mark.parametrize("form", WRITERS)
def test_a_table_without_rows_has_its_header(form: str) -> None:
    assert [*pd.DataFrame(read(form, written(form))).columns] == [column.name for column in COLUMNS]


def read(form: str, file: bytes) -> pd.DataFrame:
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": from_workbook}
    return readers[form](io.BytesIO(file))


def from_workbook(file: io.BytesIO) -> pd.DataFrame:
    header, *rows = CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).to_python()
    return pd.DataFrame(rows, columns=header)


@quick
@given(st.lists(st.tuples(texts, amounts, st.integers(-(2**63), 2**63 - 1)), max_size=5))
def test_csv_gives_back_every_cell(rows: list[tuple[str, Decimal, int]]) -> None:
    columns = (Column("text", "text"), Column("money", "money"), Column("integer", "integer"))
    found = list(csv.reader(io.StringIO(b"".join(write_csv(columns, [rows])).decode(), newline="")))[1:]
    assert [(text, Decimal(money), int(whole)) for text, money, whole in found] == [
        (guarded(text), money, whole) for text, money, whole in rows
    ]


@quick
@given(st.lists(st.tuples(texts, amounts, st.integers(-(2**63), 2**63 - 1), st.dates(), st.datetimes()), max_size=5))
def test_parquet_gives_back_every_value(rows: list[tuple[Any, ...]]) -> None:
    rows = [(*row[:4], row[4].replace(tzinfo=UTC)) for row in rows]
    found = pq.read_table(io.BytesIO(written("parquet", rows, [NONE])))
    assert [tuple(row.values()) for row in found.to_pylist()] == [*rows, NONE]


def test_parquet_says_the_type_of_each_column_and_what_it_is_told_about_the_file() -> None:
    file = pq.ParquetFile(io.BytesIO(b"".join(write_parquet(COLUMNS, [[ROW]], metadata={"period": "2026-11"}))))
    assert file.schema_arrow.types == [
        pa.string(), pa.decimal128(20, 10), pa.int64(), pa.date32(), pa.timestamp("us", tz="UTC"),
    ]  # fmt: skip
    assert file.metadata.metadata[b"period"] == b"2026-11"


def test_pandas_and_duckdb_read_decimals_from_parquet(tmp_path: Path) -> None:
    path = tmp_path / "costs.parquet"
    path.write_bytes(written("parquet", [ROW, ("b", Decimal("9999999999.9999999999"), 1, None, None)]))
    assert pd.read_parquet(path)["cost"].sum() == Decimal("9999999999.7416399999")
    with duckdb.connect() as connection:
        found = connection.execute("SELECT sum(cost), sum(tokens), max(day) FROM read_parquet(?)", [str(path)])
        assert found.fetchone() == (Decimal("9999999999.7416399999"), 86_121, date(2026, 11, 20))


def test_an_amount_that_a_column_cannot_hold_is_never_made_a_null() -> None:
    with pytest.raises(ValueError, match="too large"):
        written("parquet", [("a", Decimal(10**10), 1, None, None)])


def test_parquet_has_row_groups_and_is_handed_out_while_it_is_made() -> None:
    rows = [("a", Decimal(number * number) / 7, number, None, AT + timedelta(number)) for number in range(200_000)]
    pieces = list(write_parquet(COLUMNS, [rows[start : start + 20_000] for start in range(0, 200_000, 20_000)]))
    assert sum(map(bool, pieces[:-1])) >= 2
    assert pq.ParquetFile(io.BytesIO(b"".join(pieces))).num_row_groups == 4


def test_a_workbook_has_numbers_as_numbers_and_dates_as_dates() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(written("xlsx", [ROW, (*ROW[:4], elsewhere), NONE])))
    header, *rows = sheet.get_sheet_by_index(0).to_python()
    assert header == [column.name for column in COLUMNS]
    to_the_millisecond = AT.replace(tzinfo=None, microsecond=123_000)
    assert rows == [["support-bot", -0.25836, 86_120.0, date(2026, 11, 20), to_the_millisecond]] * 2


def test_a_workbook_has_texts_as_they_are_whatever_they_begin_with() -> None:
    columns = (Column("text", "text"),)
    file = b"".join(write_xlsx(columns, [[(text,) for text in EVIL if text]]))
    assert from_workbook(io.BytesIO(file))["text"].to_list() == [text for text in EVIL if text]
    with ZipFile(io.BytesIO(file)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"hyperlink" not in sheet
    assert b'state="frozen"' in sheet


def test_what_one_sheet_cannot_hold_goes_to_the_next() -> None:
    rows = [("a", Decimal(number), number, None, None) for number in range(5)]
    book = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(write_xlsx(COLUMNS, [rows], rows_max=3))))
    sheets = [book.get_sheet_by_index(index).to_python()[1:] for index in range(3)]
    assert [row[2] for sheet in sheets for row in sheet] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("form", WRITERS)
def test_equal_rows_make_equal_bytes(form: str) -> None:
    assert written(form, [ROW, NONE]) == written(form, [ROW, NONE])


@pytest.mark.parametrize("form", WRITERS)
def test_whoever_stops_asking_closes_the_batches(form: str) -> None:
    closed = []

    def batches() -> Iterator[Batch]:
        try:
            while True:
                yield [ROW]
        finally:
            closed.append(True)

    pieces = WRITERS[form](COLUMNS, batches())
    next(pieces), next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert closed


@pytest.mark.parametrize("form", WRITERS)
def test_what_goes_wrong_while_rows_are_read_is_told(form: str) -> None:
    def batches() -> Iterator[Batch]:
        yield [ROW]
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        list(WRITERS[form](COLUMNS, batches()))


@pytest.mark.parametrize("form", WRITERS)
def test_a_long_table_is_written_in_constant_memory(form: str) -> None:
    def peak(count: int) -> int:
        most = 0
        for _ in WRITERS[form](COLUMNS, ([ROW] * 2_000 for _ in range(count))):
            most = max(most, psutil.Process().memory_info().rss)
        return most

    assert peak(100) - peak(10) < 30 * 1024**2


needs_soffice = pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice (soffice) is not installed")


def opened(file: bytes, form: str, folder: Path) -> list[list[str]]:
    """The file as LibreOffice shows it, formulas worked out, by way of its own CSV."""
    (folder / f"in.{form}").write_bytes(file)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    flat = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"
    command = ["soffice", profile, "--headless", "--convert-to", flat, "--outdir", str(folder / "out"), f"in.{form}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=100)
    (made,) = (folder / "out").glob("*.csv")
    return list(csv.reader(made.read_text().splitlines()))


@needs_soffice
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_libreoffice_shows_numbers_texts_and_no_formula(form: str, tmp_path: Path) -> None:
    rows: Batch = [ROW, ("=1+1", Decimal("1234567.5"), 1_000_000, None, None)]
    _, *found = opened(written(form, rows), form, tmp_path)
    assert [float(row[1].replace(",", "")) for row in found] == [-0.25836, 1_234_567.5]
    assert [int(row[2]) for row in found] == [86_120, 1_000_000]
    assert found[1][0].lstrip("'") == "=1+1"
    assert found[0][3].startswith("2026-11-20")


def test_a_decimal_keeps_eighteen_places() -> None:
    columns, exact = [Column("day", "text"), Column("hours", "decimal")], Decimal("1234567.000277777777777778")
    rows: list[Batch] = [[["a", exact], ["b", None], ["c", Decimal(-3)]]]
    assert b"".join(write_csv(columns, rows)) == b"day,hours\r\na,1234567.000277777777777778\r\nb,\r\nc,-3\r\n"
    read = pq.read_table(io.BytesIO(b"".join(write_parquet(columns, rows))))
    assert read.schema.field("hours").type == pa.decimal128(38, 18)
    assert read.column("hours").to_pylist() == [exact, None, Decimal(-3)]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(write_xlsx(columns, rows)))).get_sheet_by_index(0)
    assert sheet.to_python()[1] == ["a", pytest.approx(float(exact))]
