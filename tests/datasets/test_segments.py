"""A file's report is the same however it is cut into segments, and whoever reads them."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.datasets.rules import lines
from service.datasets.rules.checker import HEAD_BYTES, Partial, Question, detect_format, merge, read_segment
from service.datasets.rules.lines import segment_lines
from service.datasets.rules.partial import MARK_BYTES
from service.datasets.rules.problems import LINE_BYTES_MAX
from service.datasets.rules.report import Limit, Report
from tests.datasets.chat import (
    COUNTERS,
    ERRAND,
    O200K,
    TALK,
    changed,
    file_of,
    found,
    good,
    line,
    read,
    read_all,
    verify,
)
from tests.datasets.corpus.faults import message

STORY = "The keeper of the old lighthouse climbs all of the stairs each evening, lights the lamp and waits for ships."
FAULTY = [
    b"", b" ", b"{", b"[]", line({"prompt": "a", "completion": "b"}), line(TALK).replace(b"light", b"l\xefght"),
    changed(TALK, lambda e: e["messages"][1].update(role="boss")), changed(ERRAND, lambda e: e.pop("tools")),
    changed(TALK, lambda e: e["messages"][0].update(content="you keep the light. ")),
    changed(TALK, lambda e: e["messages"][2].update(content="I'm sorry, but I cannot help with that.")),
    changed(TALK, lambda e: e["messages"][2].update(content="Écrivez à keeper@lighthouse-brest.fr, s'il vous plaît.")),
    *[changed(TALK, message(1, content=f"{STORY} {n}")) for n in range(3)],
]  # fmt: skip


def by_workers(data: bytes, size: int, *, chunk: int = 50, question: Question | None = None) -> Report:
    """The report as many workers make it: each reads its range, and what it found travels as bytes."""
    question = question or Question(detect_format(data[:HEAD_BYTES]), [Limit(O200K, 60)])
    question = msgspec.msgpack.decode(msgspec.msgpack.encode(question), type=Question)
    partials = (worker(data, start, size, chunk, question) for start in range(0, len(data), size))
    return merge(question, partials, verify=verify(data))


def worker(data: bytes, start: int, size: int, chunk: int, question: Question) -> Partial:
    chunks = (data[at : at + chunk] for at in range(max(0, start - 1), len(data), chunk))
    partial = read_segment(segment_lines(chunks, first=start == 0, size=size), question, COUNTERS)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(partial), type=Partial)


def as_bytes(report: Report) -> bytes:
    told = json.dumps([report.as_json(), report.billing_json(), report.examples, report.errors])
    return told.encode() + report.sketch


@given(st.lists(st.sampled_from([*good(2), *FAULTY]), max_size=30), st.booleans(), st.integers(1, 3000), st.data())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_report_is_the_same_however_a_file_is_cut(
    some: list[bytes], ended: bool, size: int, data: st.DataObject
) -> None:
    written = file_of(some) if ended else file_of(some)[:-1]
    whole = read_all(written, limits=[Limit(O200K, 60)])
    assert as_bytes(read_all(written, limits=[Limit(O200K, 60)], segment_bytes=size)) == as_bytes(whole)
    assert as_bytes(by_workers(written, max(40, size), chunk=data.draw(st.integers(20, 999)))) == as_bytes(whole)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_every_line_has_one_owner(size: int) -> None:
    for text in (b"", b"a", b"a\n", b"\n", b"\n\na", b"ab\n\nc\nde\n", b"abcdefgh\ni\n\n\nj"):
        owned = []
        for start in range(0, len(text), size):
            own = segment_lines(iter([text[max(0, start - 1) :]]), first=start == 0, size=size)
            owned += [one.line for one in own]
        assert owned == [one for _, one in lines.numbered([text])]


def test_a_line_that_is_too_long_is_not_read_to_its_end_by_each_segment_it_covers() -> None:
    taken = []

    def chunks(start: int) -> Iterator[bytes]:
        for at in range(start, 64 * LINE_BYTES_MAX, 1 << 20):
            taken.append(at)
            yield bytes(1 << 20)

    assert [one.line for one in segment_lines(chunks(0), first=True, size=LINE_BYTES_MAX)] == [None]
    assert list(segment_lines(chunks(LINE_BYTES_MAX - 1), first=False, size=LINE_BYTES_MAX)) == []
    assert len(taken) <= 2 * (LINE_BYTES_MAX // (1 << 20) + 2)


def test_marks_lead_to_a_line_by_reading_a_mib() -> None:
    data = file_of([line(TALK) + b" " * 300_000] * 20)
    partial = worker(data, 0, len(data), 1 << 20, Question(detect_format(data), []))
    starts = [one.start for one in segment_lines([data], first=True)]
    assert len(partial.marks) == starts[-1] // MARK_BYTES + 1
    for mib, number in enumerate(partial.marks):
        assert starts[number - 1] >= mib * MARK_BYTES
        assert number == 1 or starts[number - 2] < mib * MARK_BYTES


def test_a_hopeless_segment_is_not_read_on_but_the_next_one_is() -> None:
    bad = file_of([b"0"] * 100)
    data = file_of(good(20)) + bad
    at = len(data)
    data += bad[: at - len(bad) * 2] + file_of(good(30))
    question = Question(detect_format(data), [], errors_max=10)
    report = by_workers(data, at, question=question)
    assert report.problem_totals["too_many_errors"] == 2
    assert report.problems[0].line is None
    assert "10 errors up to line 30: the 90 lines after it" in report.problems[0].message
    assert "10 errors up to line 130" in report.problems[1].message
    assert report.lines == len(data.splitlines())


@pytest.mark.parametrize("size", [500, 10**9])
def test_every_problem_is_told_with_its_line_in_the_file(size: int) -> None:
    told: list[Any] = []
    report = read(file_of([line({}), *good(9), b"[]"] * 100), segment_bytes=size, on_problem=told.append)
    assert len(told) == report.errors + report.warnings == 200
    assert set(report.problems) <= set(told)
    assert [one.line for one in told if one.code == "missing_messages"] == list(range(1, 1100, 11))


def test_the_format_is_told_from_the_beginning_however_long_its_lines() -> None:
    pair = {"input": {"messages": [{"role": "user", "content": "a" * (2 << 20)}]}, "preferred_output": []}
    assert detect_format(file_of([line(pair)] * 3)[:HEAD_BYTES]).name == "preference"
    assert found(read(file_of([line(pair)] * 3)))[1:] != []
    assert detect_format(b"").name == "chat"
    assert detect_format(b"PAR1" + bytes(HEAD_BYTES)).name == "parquet"
