"""What kind of file this is, and its rows: told from its name and its beginning, as the legacy tool did (§4.1)."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from service.datasets.rules.preparing import objects, tables, texts, workbooks
from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import ROWS_MAX, Chosen, Layout, Row
from service.datasets.rules.preparing.texts import Read

_MAGIC: Final = (
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel before 2007; save it as XLSX"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF document"),
)
_DELIMITERS: Final = {"csv": None, "tsv": "\t", "tab": "\t"}
_EXAMPLES: Final = {
    "messages": "conversations",
    "preferred_output": "preference pairs",
    "non_preferred_output": "preference pairs",
}


class Source(NamedTuple):
    """A file that can be read, with the names of its columns, and of its sheets if it is a workbook."""

    layout: Layout
    columns: tuple[str, ...]
    sheets: tuple[str, ...] = ()


def open_source(read: Read, filename: str, sheet: int | None) -> Source:
    """The file as its name and beginning show it. Raises CannotBePrepared."""
    source = as_laid_out(read, _layout(read, filename, sheet))
    for name, words in _EXAMPLES.items():
        if source.layout.format in {"json", "jsonl"} and name in source.columns:
            raise CannotBePrepared("already_examples", found=words)
    if not source.columns:
        raise CannotBePrepared("no_rows")
    return source


def as_laid_out(read: Read, layout: Layout) -> Source:
    """The file as somebody has found it laid out before. Raises CannotBePrepared."""
    match layout.format:
        case "xlsx":
            return Source(layout, *workbooks.look(read, layout))
        case "json" | "jsonl":
            return Source(layout, objects.header(read, layout))
        case "txt":
            return Source(layout, ("completion",))
    return Source(layout, tables.header(read, layout))


def rows(read: Read, source: Source, chosen: Chosen) -> Iterator[Row]:
    """All rows with their prompts and completions. Raises CannotBePrepared where one cannot be passed over."""
    for number, row in enumerate(_rows(read, source.layout, source.columns, chosen)):
        if number == ROWS_MAX:
            raise CannotBePrepared("too_many_rows", rows_max=ROWS_MAX)
        yield row


def _rows(read: Read, layout: Layout, columns: Sequence[str], chosen: Chosen) -> Iterator[Row]:
    match layout.format:
        case "xlsx":
            return workbooks.rows(read, layout, chosen)
        case "json" | "jsonl":
            return objects.rows(read, layout, columns, chosen)
        case "txt":
            return tables.plain_lines(read)
    return tables.rows(read, layout, chosen)


def _layout(read: Read, filename: str, sheet: int | None) -> Layout:
    beginning = texts.head(read, size=8)
    for magic, words in _MAGIC:
        if beginning.startswith(magic):
            raise CannotBePrepared("unsupported_source", found=words)
    if beginning.startswith(b"PK\x03\x04"):
        return Layout("xlsx", sheet=sheet or 1)
    suffix = filename.rpartition(".")[2].lower()
    if suffix == "txt":
        return Layout("txt")
    if suffix in _DELIMITERS:
        return tables.layout(read, delimiter=_DELIMITERS[suffix]) or Layout("csv", ",")
    first = next((text[0] for piece in texts.pieces(read()) if (text := piece.lstrip())), "")
    if first in {"[", "{"}:
        return Layout("json" if first == "[" else "jsonl")
    return tables.layout(read, delimiter=None) or Layout("txt")
