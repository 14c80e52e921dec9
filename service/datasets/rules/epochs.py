"""How many times to go through the data when nobody says: the cookbook notebook's rule (openai.md §3.7)."""

from typing import Final

_TARGET: Final = 3
_EXAMPLES_MIN: Final = 100  # fewer examples × epochs than this: more epochs
_EXAMPLES_MAX: Final = 25_000  # more: fewer epochs
_EPOCHS_MAX: Final = 25


def default_epochs(examples: int) -> int:
    """Epochs for so many examples: 3, more for small sets (at most 25), fewer for very large ones (at least 1)."""
    if examples * _TARGET < _EXAMPLES_MIN:
        return min(_EPOCHS_MAX, _EXAMPLES_MIN // max(1, examples))
    if examples * _TARGET > _EXAMPLES_MAX:
        return max(1, _EXAMPLES_MAX // examples)
    return _TARGET
