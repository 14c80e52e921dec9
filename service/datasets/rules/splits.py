"""Cutting a dataset in two: which examples are for validation. The same on every machine, for ever.

An example's key is a number made of the seed and the example's own number, so that nothing depends on the order of
work; the smallest keys are for validation, exactly as many as were asked for.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

SEED_MAX: Final = 2**31 - 1
_64_BITS: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


class Part(StrEnum):
    """Which of the two."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class Split:
    """How to cut: so many examples for validation, or such a share of them; one of the two."""

    seed: int
    fraction: Decimal | None
    count: int | None

    def recipe(self, part: Part) -> dict[str, Any]:
        """The part as its row says how it is made. Equal cuts are written equally."""
        size = {"count": self.count} if self.fraction is None else {"fraction": f"{self.fraction.normalize():f}"}
        return {"kind": "split", "part": part.value, "seed": self.seed, **size}

    @classmethod
    def of(cls, recipe: dict[str, Any]) -> "Split":
        """The cut that `recipe` is a part of."""
        fraction = recipe.get("fraction")
        return cls(recipe["seed"], Decimal(fraction) if fraction is not None else None, recipe.get("count"))

    def validation_examples(self, examples: int) -> int:
        """How many of so many are for validation: rounded half up, and one at least."""
        if self.fraction is None:
            return self.count or 0
        return max(1, int((examples * self.fraction).to_integral_value(ROUND_HALF_UP)))

    def leaves_something(self, examples: int) -> bool:
        """Whether anything is left to train on."""
        return self.validation_examples(examples) < examples


def for_validation(split: Split, examples: int) -> Callable[[int], bool]:
    """Tells of an example's number, from 1 to `examples`, whether it is for validation.

    Counting keys by their first bits, then sorting the few around the limit, takes the same small memory however many
    examples there are.
    """
    wanted = split.validation_examples(examples)
    start = _mixed(split.seed * _GOLDEN & _64_BITS)
    first_bits = array("Q", bytes(8 << 16))
    for number in range(1, examples + 1):
        first_bits[_key(start, number) >> 48] += 1
    below, border = 0, 0
    while below + first_bits[border] < wanted:
        below += first_bits[border]
        border += 1
    keys = (_key(start, number) for number in range(1, examples + 1))
    limit = sorted(key for key in keys if key >> 48 == border)[wanted - below - 1]
    return lambda number: _key(start, number) <= limit


def _key(start: int, number: int) -> int:
    """Two numbers never share a key: every step of it can be undone."""
    return _mixed(start + number * _GOLDEN & _64_BITS)


def _mixed(value: int) -> int:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014, in Vigna's form)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _64_BITS
    return value ^ value >> 31
