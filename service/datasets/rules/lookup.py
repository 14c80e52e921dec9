"""Lines of a file by their number, each for about a MiB of reading."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from service.datasets.rules.lines import Line, segment_lines

_TAIL_BYTES: Final = 256 * 1024  # beyond a block, where the last line of most has its end
_BLOCKS_KEPT: Final = 8


class Lookup:
    """Finds lines by the marks of `whereabouts`; `read(start, stop)` gives the file's bytes, of which there are `size`.

    What was read last is kept: eight blocks of lines that start within about a MiB.
    """

    def __init__(self, marks: Sequence[Sequence[int]], size: int, read: Callable[[int, int], Iterable[bytes]]) -> None:
        self._bytes = [byte for byte, _ in marks]
        self._first_lines = [line for _, line in marks]
        self._size, self._read = size, read
        self._block = lru_cache(_BLOCKS_KEPT)(self._read_block)

    def line(self, number: int) -> Line:
        """The line of that number, from 1; None where it is too long to be kept. Raises IndexError."""
        place = bisect_right(self._first_lines, number) - 1
        if place < 0:
            raise IndexError(number)
        return self._block(place)[number - self._first_lines[place]]

    def _read_block(self, place: int) -> list[Line]:
        """The lines from this mark's to the next one's."""
        start = max(self._bytes[place] - 1, 0)
        end = self._bytes[place + 1] if place + 1 < len(self._bytes) else self._size
        first = self._bytes[place] == 0
        size = end - self._bytes[place]
        return [placed.line for placed in segment_lines(self._chunks(start, end), first=first, size=size)]

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        """From `start` up to `end`, and beyond it as far as somebody asks: the last line may end anywhere."""
        while start < self._size:
            stop = min(max(end, start) + _TAIL_BYTES, self._size)
            yield from self._read(start, stop)
            start = stop
