"""Which examples two datasets share: what is trained on must not be measured on.

A sketch is the 65,536 smallest hashes of a dataset's different examples, with the line of each (bottom-k, Cohen and
Kaplan 2007). A hash is as good as a random number, and equal for equal examples in both datasets. So below a limit up
to which both sketches are complete, nothing is missed; and if that limit is the share p of all numbers, then s shared
hashes below it stand for about s / p shared examples, with a relative standard error of about 1 / √s. Two datasets of
at most 65,536 different examples each are compared exactly.
"""

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.datasets.rules.hashes import Same

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXAMPLES_MAX: Final = 65_536
_HEAD: Final = struct.Struct("<Q")  # how many different examples there are
_ENTRY_BYTES: Final = 12
_ALL: Final = 1 << 64


class Leak(NamedTuple):
    """How many examples are in both: exactly, or about. `lines` are some of them: (line in one, line in the other)."""

    examples: int
    is_exact: bool
    lines: list[tuple[int, int]]


def sketch(same: Same) -> bytes:
    """The sketch of a file: 786 KB at most."""
    different, hashes, lines = same.smallest(EXAMPLES_MAX)
    return _HEAD.pack(different) + hashes.astype("<u8").tobytes() + lines.astype("<u4").tobytes()


def shared(one: bytes, other: bytes) -> Leak:
    """What two files have in common, by their sketches."""
    import numpy as np  # noqa: PLC0415 - only who compares needs it

    (hashes, lines, limit), (other_hashes, other_lines, other_limit) = _read(one), _read(other)
    common, at, other_at = np.intersect1d(hashes, other_hashes, assume_unique=True, return_indices=True)
    complete_to = min(limit, other_limit)
    seen = common <= np.uint64(complete_to - 1)
    pairs = sorted(zip(lines[at][seen].tolist(), other_lines[other_at][seen].tolist(), strict=True))
    return Leak(round(len(pairs) * _ALL / complete_to), complete_to == _ALL, pairs)


def _read(written: bytes) -> "tuple[NDArray[Any], NDArray[Any], int]":
    """(hashes, lines, the limit below which every hash of the file is among them)."""
    import numpy as np  # noqa: PLC0415

    (different,) = _HEAD.unpack_from(written)
    entries = (len(written) - _HEAD.size) // _ENTRY_BYTES
    hashes = np.frombuffer(written, "<u8", entries, _HEAD.size)
    lines = np.frombuffer(written, "<u4", entries, _HEAD.size + 8 * entries)
    return hashes, lines, _ALL if different <= entries else int(hashes[-1]) + 1
