"""Cutting a dataset in two, and taking a part of it: which examples those are. The same on every machine, for ever.

An example's key is a number made of the seed and the example's own number, so that nothing depends on the order of
work; the smallest keys are chosen, exactly as many as were asked for. So a smaller choice lies within a larger one.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

SEED_MAX: Final = 2**31 - 1
BY_ANSWER: Final = "answer"
_64_BITS: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
# So that a subset of a whole is not, seed for seed, just what a split of it holds back for validation.
_SUBSETS: Final = 0x5375_6273_6574_7321


class Part(StrEnum):
    """Which of the two."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class Split:
    """How to cut: so many examples for validation, or such a share of them; one of the two.

    `by_answer` cuts every class of equal answers in the same proportion: see strata.py.
    """

    seed: int
    fraction: Decimal | None
    count: int | None
    by_answer: bool = False

    def recipe(self, part: Part) -> dict[str, Any]:
        """The part as its row says how it is made. Equal cuts are written equally."""
        by = {"stratify_by": BY_ANSWER} if self.by_answer else {}
        return {"kind": "split", "part": part.value, "seed": self.seed, **_size(self.fraction, self.count), **by}

    @classmethod
    def of(cls, recipe: dict[str, Any]) -> "Split":
        """The cut that `recipe` is a part of."""
        return cls(recipe["seed"], *_size_of(recipe), by_answer="stratify_by" in recipe)

    def validation_examples(self, examples: int) -> int:
        """How many of so many are for validation: rounded half up, and one at least."""
        return _rounded(self.fraction, self.count, examples)

    def leaves_something(self, examples: int) -> bool:
        """Whether anything is left to train on."""
        return self.validation_examples(examples) < examples

    def share(self, examples: int) -> Fraction:
        """The exact share of so many examples that is for validation."""
        return Fraction(self.count or 0, examples) if self.fraction is None else Fraction(self.fraction)


@dataclass(frozen=True, slots=True)
class Subset:
    """How to take a part: so many examples, or such a share of them; one of the two."""

    seed: int
    fraction: Decimal | None
    count: int | None

    def recipe(self) -> dict[str, Any]:
        """As its row says how it is made. Equal subsets are written equally."""
        return {"kind": "subset", "seed": self.seed, **_size(self.fraction, self.count)}

    @classmethod
    def of(cls, recipe: dict[str, Any]) -> "Subset":
        """The subset that `recipe` describes."""
        return cls(recipe["seed"], *_size_of(recipe))

    def examples(self, examples: int) -> int:
        """How many of so many are taken: rounded half up, and one at least."""
        return _rounded(self.fraction, self.count, examples)

    def can_be_taken(self, examples: int) -> bool:
        """Whether there are as many."""
        return self.examples(examples) <= examples


def for_validation(split: Split, examples: int) -> Callable[[int], bool]:
    """Tells of an example's number, from 1 to `examples`, whether it is for validation."""
    return _smallest(beginning(split.seed), split.validation_examples(examples), examples)


def in_subset(subset: Subset, examples: int) -> Callable[[int], bool]:
    """Tells of an example's number, from 1 to `examples`, whether it is taken."""
    return _smallest(_mixed(beginning(subset.seed) ^ _SUBSETS), subset.examples(examples), examples)


def _smallest(start: int, wanted: int, examples: int) -> Callable[[int], bool]:
    """Tells whether a number's key is one of the `wanted` smallest.

    Counting keys by their first bits, then sorting the few around the limit, takes the same small memory however many
    examples there are.
    """
    first_bits = array("Q", bytes(8 << 16))
    for number in range(1, examples + 1):
        first_bits[key(start, number) >> 48] += 1
    below, border = 0, 0
    while below + first_bits[border] < wanted:
        below += first_bits[border]
        border += 1
    keys = (key(start, number) for number in range(1, examples + 1))
    limit = sorted(one for one in keys if one >> 48 == border)[wanted - below - 1]
    return lambda number: key(start, number) <= limit


def beginning(seed: int) -> int:
    """Where the keys of a seed begin."""
    return _mixed(seed * _GOLDEN & _64_BITS)


def key(start: int, number: int) -> int:
    """64 bits. Two numbers never share a key: every step of it can be undone."""
    return _mixed(start + number * _GOLDEN & _64_BITS)


def _mixed(value: int) -> int:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014, in Vigna's form)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _64_BITS
    return value ^ value >> 31


def _size(fraction: Decimal | None, count: int | None) -> dict[str, Any]:
    return {"count": count} if fraction is None else {"fraction": f"{fraction.normalize():f}"}


def _size_of(recipe: dict[str, Any]) -> tuple[Decimal | None, int | None]:
    fraction = recipe.get("fraction")
    return Decimal(fraction) if fraction is not None else None, recipe.get("count")


def _rounded(fraction: Decimal | None, count: int | None, examples: int) -> int:
    if fraction is None:
        return count or 0
    return max(1, int((examples * fraction).to_integral_value(ROUND_HALF_UP)))
