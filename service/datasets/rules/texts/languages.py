"""Which languages a dataset speaks, told from a sample of its texts."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

# OURS: a language by mistake is taught as well as the one that is meant
CODES: Final = {
    "mixed_languages": (
        "warning",
        "About {share} % of texts are not in the main language ({main}) but in {others}, first seen in line {line}.",
    ),
}
SAMPLE: Final = 200  # a share of 5 % is then known to about 1.5 %
_CHARS_READ: Final = 500
_BYTES_MIN: Final = 60  # ten words, or twenty Chinese characters: of less the classifier guesses
_CONFIDENT: Final = 0.6
_OTHERS_MIN: Final = 0.05
_TEXTS_MIN: Final = 20
_UNKNOWN: Final = "unknown"


class Told(msgspec.Struct, array_like=True):
    """The first line with a text, and its language."""

    line: int
    language: str


class Languages(msgspec.Struct):
    """A sample of the different texts of a segment or a file: the 200 with the smallest hashes, wherever it is cut.

    The same on every machine, but for a text between two languages, which the last bits of a float may decide.
    """

    told: dict[int, Told] = {}
    waiting: dict[int, tuple[int, str]] = {}  # until `settle`
    skipped: int = 0

    def add(self, line: int, text: str) -> None:
        """One more text; one of fewer than 60 bytes is skipped, since nothing can be told of it."""
        head = text[:_CHARS_READ]
        read = head.encode(errors="replace")
        if len(read) < _BYTES_MIN:
            self.skipped += 1
            return
        key = int.from_bytes(blake2b(read, digest_size=8).digest(), "big")
        if key not in self.told and key not in self.waiting:
            self.waiting[key] = line, head
            if len(self.waiting) >= 2 * SAMPLE:
                self._keep_smallest()

    def settle(self) -> None:
        """At the end of a segment: tell the languages of what waits; no text is kept."""
        self._keep_smallest()
        for key, (line, text) in self.waiting.items():
            self.told[key] = Told(line, _language(text))
        self.waiting = {}

    def join(self, later: "Languages", lines_before: int) -> None:
        """Add what comes after this many lines; both are settled by that."""
        self.settle()
        later.settle()
        self.skipped += later.skipped
        for key, told in later.told.items():
            self.told.setdefault(key, Told(told.line + lines_before, told.language))
        self._keep_smallest()

    def _keep_smallest(self) -> None:
        smallest = set(sorted({*self.told, *self.waiting})[:SAMPLE])
        self.told = {key: told for key, told in self.told.items() if key in smallest}
        self.waiting = {key: text for key, text in self.waiting.items() if key in smallest}

    def findings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whether there is more than one language."""
        self.settle()
        known = {key: told for key, told in self.told.items() if told.language != _UNKNOWN}
        ranked = _ranked(known)
        if len(known) < _TEXTS_MIN or len(ranked) == 1:
            return
        (main, texts), *others = ranked
        share = 1 - texts / len(known)
        if share >= _OTHERS_MIN:
            line = min(told.line for told in known.values() if told.language != main)
            named = ", ".join(language for language, _ in others[:5])
            yield "mixed_languages", {"share": round(100 * share), "main": main, "others": named, "line": line}

    def as_json(self) -> dict[str, Any]:
        """How many different texts were looked at, how many were too short, and the share of each language."""
        self.settle()
        return {
            "sample": len(self.told),
            "skipped": self.skipped,
            "shares": {language: round(texts / len(self.told), 3) for language, texts in _ranked(self.told)},
        }


def _ranked(told: dict[int, Told]) -> list[tuple[str, int]]:
    counted = Counter(one.language for one in told.values())
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _language(text: str) -> str:
    """ISO 639-1, or `unknown` when the classifier is not sure (of code, of numbers)."""
    language, confidence = _identifier().classify(text)
    return language if confidence >= _CONFIDENT else _UNKNOWN


def forget_model() -> None:
    """Give 70 MB back, of which merging has no need; the next text loads it again."""
    _identifier.cache_clear()


@cache
def _identifier() -> Any:
    """The classifier with its model: half a second, once a process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
