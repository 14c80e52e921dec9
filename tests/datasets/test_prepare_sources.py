"""Reading what is not examples yet: however it is saved, and in whatever pieces it comes."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.rules.preparing import CannotBePrepared, Columns, sources, tables, weighing
from service.datasets.rules.preparing.columns import choose
from service.datasets.rules.preparing.rows import Row
from service.datasets.rules.problems import LINE_BYTES_MAX
from tests.datasets.sheets import archive, sheet_of, workbook


def rows(content: bytes, filename: str, *, piece: int = 1 << 20, sheet: int | None = None, **named: Any) -> list[Row]:
    def read() -> Iterator[bytes]:
        return (content[at : at + piece] for at in range(0, len(content), piece))

    source = sources.open_source(read, filename, sheet)
    chosen, _ = choose(source.columns, Columns(**named))
    return [*sources.rows(read, source, chosen)]


def refused(content: bytes, filename: str, **how: Any) -> CannotBePrepared:
    with pytest.raises(CannotBePrepared) as raised:
        rows(content, filename, **how)
    return raised.value


TWO = [Row(2, "a", "b"), Row(3, "ü, ö", 'say "hi"')]


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        ('text,label\na,b\n"ü, ö","say ""hi"""\n', "x.csv"),
        ('\ufefftext,label\r\na,b\r\n"ü, ö","say ""hi"""', "x.csv"),
        ('text;label\na;b\nü, ö;"say ""hi"""\n', "x.csv"),
        ('text\tlabel\na\tb\nü, ö\tsay "hi"\n', "x.tsv"),
        ('text\tlabel\na\tb\nü, ö\t"say ""hi"""\n', "x.tsv"),
        ('text,label\na,b\n"ü, ö","say ""hi"""\n', "dataset.jsonl"),  # posted without a name
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_table_reads_the_same_however_it_was_saved(content: str, filename: str, encoding: str, piece: int) -> None:
    assert rows(content.encode(encoding), filename, piece=piece) == TWO


def test_a_field_over_several_lines_keeps_the_line_it_begins_in() -> None:
    assert rows(b'q,answer\n"one\r\ntwo",1\n\nthree,2\n', "x.csv") == [Row(2, "one\ntwo", "1"), Row(5, "three", "2")]


def test_a_short_row_has_no_completion_and_a_long_one_no_more_than_it_needs() -> None:
    assert rows(b"q,answer\na\nb,1,2\n", "x.csv") == [Row(2, "a", ""), Row(3, "b", "1")]


def test_a_long_field_is_read() -> None:
    assert len(rows(b"q,answer\n" + b"x" * 500_000 + b",1\n", "x.csv")[0].prompt) == 500_000


VALUES = [{"prompt": "a [", "completion": 1.10}, {"prompt": 'b "}', "completion": True}, {"completion": None}, [1]]
AS_ROWS = [Row(1, "a [", "1.1"), Row(2, 'b "}', "true"), Row(3, "", ""), Row(4, "", None)]


@given(piece=st.integers(1, 60), indent=st.sampled_from([None, 0, 2]))
def test_a_list_reads_the_same_in_whatever_pieces_it_comes(piece: int, indent: int | None) -> None:
    content = json.dumps(VALUES, indent=indent).encode()
    assert rows(content, "x.json", piece=piece) == AS_ROWS


def test_an_object_a_line_may_be_broken_and_numbers_stay_as_written() -> None:
    lines = b'{"prompt": "a", "completion": 1.10}\n{"prompt": "b"\n\n{"prompt": {}, "completion": "c"}\n[]\n'
    assert rows(lines, "x.jsonl") == [Row(1, "a", "1.10"), Row(2, "", None), Row(4, "", None), Row(5, "", None)]


def test_a_long_list_takes_time_in_proportion() -> None:
    def seconds(items: int) -> float:
        content = json.dumps([{"prompt": "a", "completion": "b"}] * items).encode()
        started = time.process_time()
        assert len(rows(content, "x.json")) == items
        return time.process_time() - started

    seconds(1000)
    few, many = (min(seconds(items) for _ in range(3)) for items in (10_000, 80_000))
    assert many < 40 * max(few, 0.01)


def test_each_line_of_a_text_is_a_completion() -> None:
    assert rows(b"one\r\n\n[two", "x.txt") == [Row(1, "", "one"), Row(2, "", ""), Row(3, "", "[two")]


def test_a_workbook_reads_as_it_looks() -> None:
    content = workbook(
        {
            "First": [["text", "label"], ["a & b", 1], ["ü", True], [None, None], ["d", 2.5]],
            "Second": [[], [None, "text", "label"], [None, "only", "here"]],
        },
        shared=["ü", "text"],
    )
    assert rows(content, "x.xlsx") == [Row(2, "a & b", "1"), Row(3, "ü", "true"), Row(5, "d", "2.5")]
    assert rows(content, "whatever", sheet=2, prompt="text", completion="label") == [Row(3, "only", "here")]
    assert sources.open_source(lambda: [content], "x.xlsx", None).sheets == ("First", "Second")
    assert refused(content, "x.xlsx", sheet=3).message == (
        "The workbook has 2 sheets with cells: there is no number 3."
    )


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b'{"messages": []}\n', "x.jsonl", "already_examples"),
        (b'[{"input": {}, "preferred_output": []}]', "x.json", "already_examples"),
        (b"\x1f\x8b\x08", "x.csv", "unsupported_source"),
        (b"\xd0\xcf\x11\xe0", "x.xls", "unsupported_source"),
        (b"text,label\ncaf\xe9,b\n", "x.csv", "invalid_utf8"),
        (b'text,label\na,b\n"never closed,b\nc,d\n', "x.csv", "row_unreadable"),
        (b"a" * (LINE_BYTES_MAX + 1), "x.txt", "row_unreadable"),
        (b'[{"prompt": "a", "completion": "b"}, {"prompt": "a",', "x.json", "row_unreadable"),
        (b"[]", "x.json", "no_rows"),
        (b"a,b,c\n1,2,3\n", "x.csv", "columns_unclear"),
        (b"PK\x03\x04 and no more", "x.xlsx", "workbook_unreadable"),
        (archive({"readme.txt": "no workbook"}), "x.xlsx", "workbook_unreadable"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_reason(content: bytes, filename: str, code: str) -> None:
    assert refused(content, filename).code == code


def test_where_reading_stopped_is_said_and_nothing_of_the_text() -> None:
    error = refused(b'text,label\na,b\n"my secret,b\nc,d\n', "x.csv")
    assert error.message == "Reading stopped in line 3: a quote is never closed."
    assert refused(b"text,label\n\n12\xff,a", "x.csv").message.startswith("The file is not valid UTF-8 (byte 15).")


# ------------------------------------------------------------------------------------------------------------ columns
@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("prompt", "completion"), (0, 1)),
        (("Completion ", "PROMPT"), (1, 0)),
        (("id", "answer", "question"), (2, 1)),
        (("text", "category"), (0, 1)),
        (("foo", "label"), (0, 1)),
        (("label", "foo"), (1, 0)),
        (("foo", "bar"), (0, 1)),
        (("instruction", "input", "output"), (0, 2)),
        (("completion",), (None, 0)),
    ],
)
def test_columns_are_guessed_by_their_names(names: tuple[str, ...], chosen: tuple[int | None, int]) -> None:
    assert choose(names, Columns()) == (chosen, True)


def test_columns_are_taken_by_name_or_number() -> None:
    names = ("id", "Frage (DE)", "Antwort")
    assert choose(names, Columns("frage (de)", "Antwort")) == ((1, 2), False)
    assert choose(names, Columns(2, 3)) == ((1, 2), False)
    assert choose(names, Columns(None, 3)) == ((None, 2), False)
    for wish, code in (
        (Columns("no", 3), "column_unknown"),
        (Columns(4, 3), "column_unknown"),
        (Columns(3, 3), "column_twice"),
    ):
        with pytest.raises(CannotBePrepared) as raised:
            choose(names, wish)
        assert raised.value.code == code


# ------------------------------------------------------------------------------------------- workbooks that are bombs
def parts(**files: str | bytes) -> bytes:
    kept = {"xl/workbook.xml": "<workbook/>"}
    return archive(kept | {name.replace("__", "/") + ".xml": content for name, content in files.items()})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (parts(xl__worksheets__sheet1=sheet_of([["a"]]).replace("A1", "XFD1048576")), "spans more than"),
        (parts(xl__elsewhere='<x><row r="9999999"><c/><c r="ZZ"/></row></x>'), "spans more than"),
        (parts(xl__worksheets__sheet1='<x><c r="A1" t="s"><v>5</v></c></x>'), "damaged"),
        (parts(xl__worksheets__sheet1="<x><c r="), "damaged"),
        (
            parts(
                xl__sharedStrings=f"<sst><si><t>{'x' * 100_000}</t></si></sst>",
                xl__worksheets__sheet1="<x>" + '<c t="s"><v>0</v></c>' * 2000 + "</x>",
            ),
            "characters",
        ),
        (parts(xl__media=b" " * (weighing.UNPACKED_BYTES_MAX + 1)), "when unpacked"),
    ],
    ids=["two corners", "elsewhere", "no such text", "broken", "one text many times", "blank"],
)
def test_a_small_archive_that_is_a_large_table_is_refused_early(content: bytes, words: str) -> None:
    started = time.perf_counter()
    assert len(content) < 1_000_000
    assert words in refused(content, "x.xlsx").message
    assert time.perf_counter() - started < 5


def test_a_damaged_workbook_is_refused_or_read_and_never_more() -> None:
    content = bytearray(workbook({"a": [["text", "label"], ["x", "y"], ["z", 1.5]]}, shared=["x", "text"]))
    dice = random.Random(1)
    for _ in range(300):
        damaged = content.copy()
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with suppress(CannotBePrepared):
            rows(bytes(damaged), "x.xlsx")


def test_a_large_workbook_is_refused_before_it_is_read_as_a_whole() -> None:
    seen = 0

    def read() -> Iterator[bytes]:
        nonlocal seen
        for _ in range(100):
            seen += 1
            yield b"PK\x03\x04" + bytes(1 << 20)

    with pytest.raises(CannotBePrepared, match="larger than 32 MiB"):
        sources.open_source(read, "x.xlsx", None)
    assert seen < 40


def test_tabs_in_equal_number_mean_that_quotes_are_text() -> None:
    content = b'text\tlabel\n"quoted" start\ta\nend "quoted"\tb\n'
    layout = tables.layout(lambda: [content], delimiter="\t")
    assert layout is not None
    assert not layout.is_quoted
    assert [row.prompt for row in rows(content, "x.tsv")] == ['"quoted" start', 'end "quoted"']
