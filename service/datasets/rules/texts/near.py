"""Near duplicates: texts that share nearly all runs of three words, found without comparing every pair.

A signature is MinHash over the runs (Broder 1997), 128 values in 16 bands of 8 (Leskovec, Rajaraman and Ullman, "Mining
of Massive Datasets", §3.4): two texts that are alike to the degree J share a band with probability 1 - (1 - J^8)^16,
0.994 at 0.85 and 0.06 at 0.5. So a shared band makes a candidate; `similarity` of the texts themselves decides.
"""

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES: Final = {
    "near_duplicate": (
        "warning",
        "Nearly the same as line {line}: {similarity} % of their runs of three words are common to both.",
    ),
}
SIMILAR_MIN: Final = 0.85
KEPT_MAX: Final = 50_000  # per band and file: 13 MB
WORDS_MIN: Final = 12  # of fewer words a changed one is another text
CHARS_MAX: Final = 32_768  # the beginning of a longer text stands for it
_BANDS: Final = 16
_ROWS: Final = 8
_HASHES: Final = _BANDS * _ROWS
_SEED: Final = 42
_SIGNATURE_BYTES: Final = 8 * _BANDS
_DIGEST: Final = struct.Struct(f"<{_HASHES}I")
_KEYS: Final = struct.Struct(f"<{_BANDS}Q")
_BAND_BYTES: Final = 4 * _ROWS
_LINE_BITS: Final = 32
# Scripts written without spaces: Thai to Tibetan, Burmese, Khmer, kana, Han. Each character counts as a word.
_UNSPACED: Final = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def signature(text: str) -> bytes | None:
    """The text's 16 band keys of 8 bytes each, the same on every machine; None for a text of fewer than 12 words."""
    from rensa import RMinHash  # noqa: PLC0415 - only who checks a file needs it

    words = _words(text)
    if len(words) < WORDS_MIN:
        return None
    minima = RMinHash(num_perm=_HASHES, seed=_SEED)
    minima.update(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
    digest = _DIGEST.pack(*minima.digest())
    bands = [digest[at : at + _BAND_BYTES] for at in range(0, len(digest), _BAND_BYTES)]
    return _KEYS.pack(*RMinHash.hash_token_sets([bands])[0])


def similarity(text: str, other: str) -> float:
    """Jaccard's: the share of their runs of three words that both have. 1 for equal words, however few."""
    words, others = _words(text), _words(other)
    runs, other_runs = _runs(words), _runs(others)
    every = len(runs | other_runs)
    return len(runs & other_runs) / every if every else float(words == others)


def _words(text: str) -> list[str]:
    """Lower case, without the spaces between them."""
    text = text[:CHARS_MAX].lower()
    if text.isascii():
        return text.split()
    return _WORD.findall(text.encode(errors="replace").decode())  # half a character cannot be hashed


def _runs(words: list[str]) -> set[tuple[str, str, str]]:
    return set(zip(words, words[1:], words[2:], strict=False))


class Near(msgspec.Struct):
    """Signatures of a segment or a file, and which of its lines may be near duplicates.

    Of each band the 50,000 smallest keys are kept. Whether a key is small is the same for two texts that share it, so
    of a larger file a sample of its likenesses is found, not a sample of its lines: with a tenth of the keys kept, a
    pair that shares seven bands is still found every other time.
    """

    examples: int = 0
    waiting: bytearray = msgspec.field(default_factory=bytearray)  # rows of a line and its signature
    bands: list[bytes] = []  # for each band rows of a key and its line, once there are too many signatures to wait

    def add(self, line: int, signature: bytes | None) -> None:
        """One more example; those without a signature are not compared."""
        if signature is None:
            return
        self.examples += 1
        self.waiting += line.to_bytes(8, "little") + signature
        if self.examples % KEPT_MAX == 0:
            self._fold()

    def join(self, later: "Near", lines_before: int) -> None:
        """Add what comes after this many lines."""
        self.examples += later.examples
        rows = _rows(later.waiting, 1 + _BANDS).copy()
        rows[:, 0] += lines_before
        self.waiting += rows.tobytes()
        if later.bands or len(self.waiting) > KEPT_MAX * (8 + _SIGNATURE_BYTES):
            self._fold()
        for band, entries in enumerate(later.bands):
            shifted = _rows(entries, 2).copy()
            shifted[:, 1] += lines_before
            self.bands[band] = _smallest(self.bands[band] + shifted.tobytes())

    def as_json(self) -> dict[str, Any]:
        """How many examples were compared, and of their keys which share (1 unless there were too many)."""
        return {"examples": self.examples, "share": round(min(1.0, KEPT_MAX / max(1, self.examples)), 4)}

    def candidates(self, limit: int) -> Iterator[tuple[int, int]]:
        """At most `limit` pairs of lines, the earlier first: those that share most bands, then in the file's order.

        Of many alike each is paired with the first and with the one before it, not with all others.
        """
        import numpy as np  # noqa: PLC0415 - only who checks a file needs it

        self._fold()
        pairs = [_pairs(_rows(entries, 2)) for entries in self.bands]
        if not pairs:
            return
        unique, shared = np.unique(np.concatenate(pairs), return_counts=True)
        for pair in unique[np.lexsort((unique, -shared))[:limit]].tolist():
            yield pair >> _LINE_BITS, pair & (1 << _LINE_BITS) - 1

    def _fold(self) -> None:
        """Move what waits into the bands."""
        rows = _rows(self.waiting, 1 + _BANDS)
        self.bands = self.bands or [b""] * (_BANDS if self.examples else 0)
        for band, entries in enumerate(self.bands):  # one by one: both states of all of them would be 25 MB
            self.bands[band] = _smallest(entries + rows[:, [band + 1, 0]].tobytes())
        self.waiting = bytearray()


def _rows(data: bytes | bytearray, columns: int) -> "NDArray[np.uint64]":
    import numpy as np  # noqa: PLC0415 - only who checks a file needs it

    return np.frombuffer(data, dtype="<u8").reshape(-1, columns)


def _sorted(entries: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """By key, then by line."""
    import numpy as np  # noqa: PLC0415 - only who checks a file needs it

    return entries[np.lexsort((entries[:, 1], entries[:, 0]))]


def _smallest(entries: bytes) -> bytes:
    """The entries that are kept."""
    rows = _rows(entries, 2)
    return entries if len(rows) <= KEPT_MAX else _sorted(rows)[:KEPT_MAX].tobytes()


def _pairs(entries: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Pairs of lines with the same key, both packed into one number."""
    import numpy as np  # noqa: PLC0415 - only who checks a file needs it

    keys, lines = _sorted(entries).T
    same = keys[1:] == keys[:-1]
    begins = np.flatnonzero(np.concatenate(([True], ~same)))
    first = np.repeat(lines[begins], np.diff(np.append(begins, len(lines))))
    bits = np.uint64(_LINE_BITS)
    later = lines[1:][same]
    return np.unique(np.concatenate((first[1:][same] << bits | later, lines[:-1][same] << bits | later)))
