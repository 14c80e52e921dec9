"""Which examples are the same: a hash of each, and which lines share one.

The hash is of who says what: of every message its role, text and calls, and of the tools; so the order of keys, spaces
between them and escapes make no difference. Eight bytes: among ten million examples two different ones share a hash
with a chance of 1 in 400,000.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from service.datasets.rules.counting import Pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPARED_MAX: Final = 4_000_000
"""As many examples are compared with each other in about 150 MB; of more, a share of them. See `Same`."""


def example_hash(pieces: Pieces) -> bytes:
    """Eight bytes. The lengths at the end say where one string stops and the next one begins."""
    strings = [pieces.tools]
    for said in pieces.said:
        strings += (said.role, *said.texts, "", *said.calls, "", *said.images)
    written = "".join(strings) + json.dumps(list(map(len, strings)))
    return blake2b(written.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class Hashes(Struct):
    """The hashes of a segment's examples and the lines they stand in: 8 and 4 bytes each, little-endian."""

    hashes: bytearray = field(default_factory=bytearray)
    lines: bytearray = field(default_factory=bytearray)

    def add(self, line: int, hashed: bytes) -> None:
        """One more example."""
        self.hashes += hashed
        self.lines += line.to_bytes(4, "little")


class Same:
    """The hashes of a whole file, and which of its lines are the same.

    Of more than COMPARED_MAX examples only those are kept whose hash is small: half of all, a quarter and so on. Since
    equal examples have equal hashes, of these none is missed; `share` says which part of the file they are.
    """

    def __init__(self, compared_max: int = COMPARED_MAX) -> None:
        import numpy as np  # noqa: PLC0415 - only who merges needs it

        self._max = compared_max
        self._halvings = 0
        self.examples = 0
        self._hashes: NDArray[np.uint64] = np.empty(0, "<u8")
        self._lines: NDArray[np.uint32] = np.empty(0, "<u4")

    def join(self, later: Hashes, lines_before: int) -> None:
        """Take in the segment that comes next."""
        import numpy as np  # noqa: PLC0415

        hashes = np.frombuffer(later.hashes, "<u8")
        lines = np.frombuffer(later.lines, "<u4") + np.uint32(lines_before)
        self.examples += len(hashes)
        small = self._are_small(hashes)
        self._hashes = np.concatenate((self._hashes, hashes[small]))
        self._lines = np.concatenate((self._lines, lines[small]))
        while len(self._hashes) > self._max:
            self._halvings += 1
            small = self._are_small(self._hashes)
            self._hashes, self._lines = self._hashes[small], self._lines[small]

    def _are_small(self, hashes: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
        import numpy as np  # noqa: PLC0415

        return hashes <= np.uint64((1 << 64 - self._halvings) - 1)

    @property
    def share(self) -> float:
        """Which share of the examples was compared with all others."""
        return 1 / (1 << self._halvings)

    def repeated(self) -> "tuple[NDArray[np.uint32], NDArray[np.uint32]]":
        """(lines that are the same as an earlier one, in their order; the first line each is the same as)."""
        import numpy as np  # noqa: PLC0415

        order = np.argsort(self._hashes, kind="stable")
        hashes, lines = self._hashes[order], self._lines[order]
        is_again = np.concatenate((np.zeros(min(1, len(hashes)), bool), hashes[1:] == hashes[:-1]))
        begins = np.flatnonzero(~is_again)
        firsts = lines[begins][np.cumsum(~is_again) - 1]
        again, first = lines[is_again], firsts[is_again]
        by_line = np.argsort(again, kind="stable")
        return again[by_line], first[by_line]

    def smallest(self, count: int) -> "tuple[int, NDArray[np.uint64], NDArray[np.uint32]]":
        """(how many different examples there are, the smallest so many hashes, the first line of each)."""
        import numpy as np  # noqa: PLC0415

        different, first = np.unique(self._hashes, return_index=True)
        return len(different) << self._halvings, different[:count], self._lines[first[:count]]

    def different(self, pairs: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Those pairs of lines, the earlier first, that are not the same."""
        for pair in pairs:
            here, there = (self._lines.searchsorted(line) for line in pair)  # ascending, as they came
            are_known = there < len(self._lines) and (self._lines[here], self._lines[there]) == pair
            if not are_known or self._hashes[here] != self._hashes[there]:
                yield pair
