"""Hashes of a file on its way in: the whole's, by which it is known, and one of each segment.

Whoever reads a segment later checks its own bytes, so that no file is read twice to be sure of it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct


class Segments(Struct, frozen=True):
    """How a file is cut, and the SHA-256 of each of its segments; all but the last have `bytes` bytes."""

    bytes: int
    sha256: list[str]

    def bounds(self, size: int) -> Iterator[tuple[int, int]]:
        """(first byte, byte after the last) of each, in a file of so many bytes."""
        for start in range(0, size, self.bytes):
            yield start, min(start + self.bytes, size)


class Digests:
    """Takes a file's bytes as they come."""

    def __init__(self, segment_bytes: int) -> None:
        self._segment_bytes = segment_bytes
        self._segments: list[Any] = []
        self.whole = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self.whole.update(data)
        view = memoryview(data)
        while view:
            if self.size % self._segment_bytes == 0:
                self._segments.append(hashlib.sha256())
            piece = view[: self._segment_bytes - self.size % self._segment_bytes]
            self._segments[-1].update(piece)
            self.size += len(piece)
            view = view[len(piece) :]

    @property
    def sha256(self) -> str:
        """Of the file so far, as hexadecimal digits."""
        return self.whole.hexdigest()

    @property
    def segments(self) -> Segments:
        """Of the file so far."""
        return Segments(self._segment_bytes, [one.hexdigest() for one in self._segments])


def passing(chunks: Iterable[bytes], see: Callable[[bytes], None]) -> Iterator[bytes]:
    """The chunks, each shown to `see` before it is passed on."""
    for chunk in chunks:
        see(chunk)
        yield chunk


def passing_within(
    chunks: Iterable[bytes], see: Callable[[bytes], None], *, at: int, start: int, stop: int
) -> Iterator[bytes]:
    """The same where only bytes from `start` up to `stop` are shown; the first chunk stands at `at`."""
    for chunk in chunks:
        if own := chunk[max(start - at, 0) : max(stop - at, 0)]:
            see(own)
        at += len(chunk)
        yield chunk
