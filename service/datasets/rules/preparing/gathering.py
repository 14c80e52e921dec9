"""What must be known of all rows before any step can be named: one pass, and little memory for each row.

A row takes 20 bytes: hashes of 8 bytes of the row and of its completion, and its place. Two of 5 million rows share a
hash by chance once in a million files; one of the two would then be taken for a duplicate.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

from service.datasets.rules.preparing.rows import Row

PLACES_SHOWN: Final = 10
LONG_CHARACTERS: Final = 10_000  # openai.md §4.2, 7
CLASSES_KEPT: Final = 1_000
_CLASS_CHARACTERS_MAX: Final = 200
SEPARATORS: Final = (" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n===>\n\n", "\n\n--->\n\n")  # §4.2, 9
STOPS: Final = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")  # §4.2, 12
_PIECE: Final = 1 << 18
_UPPER: Final = bytes(range(ord("A"), ord("Z") + 1))
_LOWER: Final = bytes(range(ord("a"), ord("z") + 1))


class Places:
    """How many rows, and where the first of them stand."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[int] = []

    def add(self, place: int) -> None:
        """One more."""
        self.count += 1
        if self.count <= PLACES_SHOWN:
            self.first.append(place)


class Shared:
    """What all texts of a column begin and end with, how they are written, and which marks occur in them."""

    def __init__(self, marks: Iterable[str]) -> None:
        self._first: str | None = None
        self.prefix = self.suffix = ""
        self.are_identical = True
        self.shortest = 0
        self.characters = self.upper = self.lower = 0
        self.unused = list(marks)
        self.has_newline = False
        self.not_lower = Places()

    def add(self, place: int, text: str) -> None:
        """One more text."""
        if self._first is None:
            self._first = self.prefix = self.suffix = text
            self.shortest = len(text)
        if not text.startswith(self.prefix):
            self.prefix = self.prefix[: _alike(self.prefix, text)]
        if not text.endswith(self.suffix):
            self.suffix = self.suffix[len(self.suffix) - _alike(self.suffix[::-1], text[::-1]) :]
        self.are_identical = self.are_identical and text == self._first
        self.shortest = min(self.shortest, len(text))
        self.characters += len(text)
        upper, lower = _letters(text)
        self.upper, self.lower = self.upper + upper, self.lower + lower
        if text != text.lower():
            self.not_lower.add(place)
        self.unused = [mark for mark in self.unused if mark not in text]
        self.has_newline = self.has_newline or "\n" in text

    @property
    def is_upper_case(self) -> bool:
        """By the rule of §4.2, 8."""
        return self.upper * 2 > self.lower


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


def _letters(text: str) -> tuple[int, int]:
    """Upper-case and lower-case letters."""
    if text.isascii():
        written = text.encode()
        return len(written) - len(written.translate(None, _UPPER)), len(written) - len(written.translate(None, _LOWER))
    return sum(c.isupper() and c.isalpha() for c in text), sum(c.islower() and c.isalpha() for c in text)


class Gathered:
    """All that is known of the rows. Those that cannot be read or have no completion count only as such."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = 0
        self.kept = Places()
        self.unreadable, self.empty, self.long, self.untrimmed, self.without_space = (Places() for _ in range(5))
        self.prompts, self.completions = Shared(SEPARATORS), Shared(STOPS)
        self.classes: Counter[str] | None = Counter()  # none: more than are kept, or too long for a class
        self._hashes, self._answers, self._places = array("Q"), array("Q"), array("I")
        for row in rows:
            self._add(row)

    def _add(self, row: Row) -> None:
        self.rows += 1
        place, prompt, completion = row
        if completion is None:
            self.unreadable.add(place)
            return
        if is_empty(completion):
            self.empty.add(place)
            return
        self.kept.add(place)
        self.prompts.add(place, prompt)
        self.completions.add(place, completion)
        if len(prompt) + len(completion) > LONG_CHARACTERS:
            self.long.add(place)
        if completion != completion.strip():
            self.untrimmed.add(place)
        if completion[0] != " ":
            self.without_space.add(place)
        self._hashes.append(hash_of(prompt, completion))
        self._answers.append(hash_of("", completion))
        self._places.append(place)
        if self.classes is not None:
            self.classes[completion] += 1
            if len(self.classes) > CLASSES_KEPT or len(completion) > _CLASS_CHARACTERS_MAX:
                self.classes = None

    @cached_property
    def distinct(self) -> int:
        """Different completions."""
        return _distinct(self._answers) if self.classes is None else len(self.classes)

    @property
    def task(self) -> str:
        """The legacy tool's guess (§4.1)."""
        if not self.prompts.characters:
            return "open_ended"
        return "classification" if self.distinct < self.kept.count / 3 else "conditional"

    def duplicates(self) -> Places:
        """Rows that repeat an earlier one."""
        found = Places()
        again = repeated(self._hashes)
        found.count, found.first = len(again), [self._places[index] for index in again[:PLACES_SHOWN]]
        return found


def is_empty(completion: str) -> bool:
    """Whether there is nothing to learn from it; the legacy tool let completions of spaces pass."""
    return not completion or completion.isspace()


def hash_of(prompt: str, completion: str) -> int:
    """Of a row: 8 bytes."""
    written = f"{len(prompt)}:{prompt}{completion}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(written, digest_size=8).digest(), "little")


def repeated(hashes: "array[int]") -> Any:
    """Where, from 0 and in order, a hash stands that stood before: an array of numpy's.

    Sorting tells which hashes there are twice, mostly few; only those are then looked for, a piece at a time.
    """
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and only workers have use for it

    numbers = np.frombuffer(hashes, dtype=np.uint64) if hashes else np.empty(0, dtype=np.uint64)
    ordered = np.sort(numbers)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not twice.size:
        return np.empty(0, dtype=np.int64)
    pieces = range(0, numbers.size, _PIECE)
    found = np.concatenate([at + np.flatnonzero(np.isin(numbers[at : at + _PIECE], twice)) for at in pieces])
    _, first = np.unique(numbers[found], return_index=True)
    return np.delete(found, first)


def _distinct(hashes: "array[int]") -> int:
    import numpy as np  # noqa: PLC0415

    return int(np.unique(np.frombuffer(hashes, dtype=np.uint64)).size)
