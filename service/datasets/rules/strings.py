"""Everything that is asked of a string, asked once: system prompts, tools and roles come back on every line.

The tokens of a string in several encodings are kept as one number, 40 bits for each, so that adding up one number adds
up all of them. No sum over a file comes near 2⁴⁰ tokens: that would be terabytes of text. The lowest 40 bits count the
strings about which there is something to say (a secret, say).
"""

from collections.abc import Callable, Sequence
from typing import Final

from service.datasets.rules.counting import Count

_BITS: Final = 40
_ONES: Final = (1 << _BITS) - 1
CHARS_MAX: Final = 1_000_000
"""Ten times as many find no more repetition in bench/validation.py's corpus."""


class Strings:
    """Counts strings, in all encodings at once, remembering those seen before.

    Forgets everything whenever it would hold more than `chars_max` characters, so that memory stays bounded.
    """

    def __init__(
        self, counters: Sequence[Count], is_remarkable: Callable[[str], bool] | None, *, chars_max: int = CHARS_MAX
    ) -> None:
        self._counters = [(_BITS * place, count) for place, count in enumerate(counters, 1)]
        self._is_remarkable, self._chars_max = is_remarkable, chars_max
        self._known: dict[str, int] = {}
        self._held = 0
        self.unit = sum(1 << _BITS * place for place in range(1, len(counters) + 1))

    def count(self, text: str) -> int:
        """The packed counts of a string."""
        packed = self._known.get(text)
        if packed is None:
            self._held += len(text)
            if self._held > self._chars_max:
                self._known.clear()
                self._held = len(text)
            packed = 1 if self._is_remarkable is not None and self._is_remarkable(text) else 0
            for shift, count in self._counters:
                packed |= count(text) << shift
            self._known[text] = packed
        return packed


def remarkable(packed: int) -> int:
    """How many of the strings that were added up are remarkable."""
    return packed & _ONES


def tokens(packed: int, place: int) -> int:
    """Their tokens in the encoding at that place, from 0."""
    return packed >> _BITS * (place + 1) & _ONES
