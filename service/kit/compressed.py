"""Unpacking gzip and zstd as it comes in: in small steps, in bounded memory, and no further than is believable.

What is kept is what was packed; how it was packed is nobody's concern afterwards.
"""

import sys
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Protocol

from service.kit.errors import Invalid

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP_BYTES: Final = 1024 * 1024
WINDOW_LOG_MAX: Final = 23  # 8 MiB, which is what RFC 9659 holds senders of `Content-Encoding: zstd` to
MEMBERS_MAX: Final = 2**17  # each costs ten microseconds, even if nothing is in it; bgzip makes 2^14 of a gigabyte
_SLICE_BYTES: Final = 64 * 1024  # both libraries copy what follows the end of a member
RATIO_MAX: Final = 200
FREE_BYTES: Final = 16 * 1024**2
"""How far a file may unpack: 200 bytes for each that came, beyond the first 16 MiB.

Training files pack 3 to 50 times smaller, and 110 times where each example repeats a system prompt of 30 KB; a bomb is
near what its format can do at most, 1,032 for gzip and tens of thousands for zstd, and so is refused after a few steps.
"""


class Packing(StrEnum):
    """How a file is packed, under the names of RFC 9110's registry of content codings."""

    GZIP = "gzip"
    ZSTD = "zstd"


ENDINGS: Final = {Packing.GZIP: ("gz", "gzip"), Packing.ZSTD: ("zst", "zstd")}  # of a filename
# RFC 1952, 2.3.1, with the one method there is; RFC 8878, 3.1.1 and 3.1.2: a frame, or one that is to be skipped.
_MAGIC: Final = {
    Packing.GZIP: (b"\x1f\x8b\x08",),
    Packing.ZSTD: (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))),
}
MAGIC_BYTES: Final = 4


class UnpackingFailed(Invalid):
    """What was sent is not what it says it is packed as."""


class Truncated(UnpackingFailed):
    """The {packing} data end in the middle. Nothing was kept; please send the whole file again."""

    code = "packed_truncated"


class Corrupt(UnpackingFailed):
    """The {packing} data are damaged, or were never {packing}. Nothing was kept."""

    code = "packed_corrupt"


class TrailingGarbage(UnpackingFailed):
    """Behind the end of the {packing} data follows something that is not {packing}. Nothing was kept."""

    code = "packed_trailing_garbage"


class WindowTooLarge(UnpackingFailed):
    """Unpacking this would take a window of more than {bytes_max} bytes: pack it without --long and --ultra."""

    code = "packed_window_too_large"


class TooManyMembers(UnpackingFailed):
    """These {packing} data are more than {members_max} files, one behind the other. Pack them as one."""

    code = "packed_in_too_many"


class UnpacksTooFar(Invalid):
    """What was sent unpacks to more than {ratio_max} times its size, as no training file does. Send it as it is."""

    code = "packed_too_tightly"
    status = 413


def packing_of(head: bytes) -> Packing | None:
    """How a file is packed, by its first four bytes."""
    return next((packing for packing, magics in _MAGIC.items() if head.startswith(magics)), None)


class Unpacker:
    """Takes packed bytes, gives what was packed, in pieces of at most a megabyte. Any number of members is one file."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._member: _Member | None = None
        self._edge = b""  # the first bytes behind a member, until there are enough to tell what they are
        self._members = 0
        self._taken = self._given = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, one step a piece. To be taken to its end. Raises UnpackingFailed or UnpacksTooFar."""
        for start in range(0, len(data), _SLICE_BYTES):
            yield from self._feed(data[start : start + _SLICE_BYTES])

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self._taken += len(data)
        while data or (self._member is not None and self._member.is_holding):
            if self._member is None:
                data, self._edge = self._edge + data, b""
                if len(data) < MAGIC_BYTES:
                    self._edge = data
                    return
                self._member = self._open(data)
            piece, data = self._step(self._member, data)
            if piece:
                yield piece

    def finish(self) -> None:
        """The packed bytes are over. Raises UnpackingFailed where they should not be."""
        if self._member is not None or not self._members:
            raise Truncated(packing=self._packing)
        if self._edge:
            raise TrailingGarbage(packing=self._packing)

    def _open(self, head: bytes) -> "_Member":
        if packing_of(head) is not self._packing:
            failed = TrailingGarbage if self._members else Corrupt
            raise failed(packing=self._packing)
        self._members += 1
        if self._members > MEMBERS_MAX:
            raise TooManyMembers(packing=self._packing, members_max=MEMBERS_MAX)
        return _GzipMember() if self._packing is Packing.GZIP else _ZstdMember()

    def _step(self, member: "_Member", data: bytes) -> tuple[bytes, bytes]:
        try:
            piece, rest = member.step(data)
        except (zlib.error, zstd.ZstdError) as error:
            if "too much memory" in str(error):  # the library has no class of its own for it
                raise WindowTooLarge(bytes_max=2**WINDOW_LOG_MAX) from error
            raise Corrupt(packing=self._packing) from error
        self._given += len(piece)
        if self._given - FREE_BYTES > self._taken * RATIO_MAX:
            raise UnpacksTooFar(ratio_max=RATIO_MAX)
        if member.is_over:
            self._member = None
        return piece, rest


class _Member(Protocol):
    """One gzip member, or one zstd frame."""

    is_over: bool

    @property
    def is_holding(self) -> bool:
        """Whether there is more to be had without more to be fed."""

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        """At most a megabyte of what was packed, and what of `data` is still to be fed."""


class _GzipMember:
    is_holding = False  # zlib hands back what it did not take

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self.is_over = False

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data, STEP_BYTES)
        self.is_over = self._stream.eof
        return piece, self._stream.unused_data if self.is_over else self._stream.unconsumed_tail


class _ZstdMember:
    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
        self.is_over = False

    @property
    def is_holding(self) -> bool:
        return not self.is_over and not self._stream.needs_input

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data, STEP_BYTES)
        self.is_over = self._stream.eof
        return piece, self._stream.unused_data if self.is_over else b""
