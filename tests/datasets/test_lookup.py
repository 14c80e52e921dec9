"""A line is found by its number, and little is read for it."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.rules import lookup, partial
from service.datasets.rules.checker import Question, detect_format, read_stream
from service.datasets.rules.lines import numbered
from service.datasets.rules.lookup import Lookup
from service.datasets.rules.whereabouts import Whereabouts


def looked_up(data: bytes, segment_bytes: int, read: list[tuple[int, int]]) -> Lookup:
    question, found = Question(detect_format(b"plain"), []), Whereabouts()
    for _ in found.passing(read_stream([data], question, {}, segment_bytes=segment_bytes)):
        pass

    def some(start: int, stop: int) -> Iterator[bytes]:
        read.append((start, stop))
        yield data[start:stop]

    return Lookup(found.marks, len(data), some)


@given(st.lists(st.binary(max_size=30).map(lambda one: one.replace(b"\n", b"")), min_size=1), st.integers(5, 100))
def test_every_line_is_found(lines: list[bytes], size: int) -> None:
    data = b"\xef\xbb\xbf" + b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "_TAIL_BYTES", 7)
        found = looked_up(data, size, [])
        for number, line in numbered([data]):
            assert found.line(number) == line
        for beyond in (0, len(lines) + 1):
            with pytest.raises(IndexError):
                found.line(beyond)


def test_no_more_is_read_than_about_a_mebibyte() -> None:
    line = b"x" * 999 + b"\n"
    read: list[tuple[int, int]] = []
    found = looked_up(line * 8000, 64 * 1024**2, read)
    assert found.line(4000) == line[:-1]
    assert found.line(4001) == line[:-1]
    assert sum(stop - start for start, stop in read) < 1.3 * partial.MARK_BYTES
