"""Which hyperparameters each method has, and the values a base model takes for them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

Value = int | Decimal | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values of one hyperparameter: words, or else numbers between bounds; `above` is not a value itself."""

    auto: bool = True  # whether the provider may be left to choose
    integer: bool = False
    values: tuple[str, ...] = ()
    min: Decimal | None = None
    above: Decimal | None = None
    max: Decimal | None = None

    def takes(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        if isinstance(value, str):
            return value in self.values or (self.auto and value == "auto")
        if self.values or (self.integer and not isinstance(value, int)):
            return False
        low = (self.min is None or value >= self.min) and (self.above is None or value > self.above)
        return low and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        if self.values:
            return " or ".join((", ".join(self.values[:-1]), self.values[-1]))
        words = ["an integer" if self.integer else "a number"]
        if self.min is not None:
            words.append(f"from {self.min:f}")
        if self.above is not None:
            words.append(f"above {self.above:f}")
        if self.max is not None:
            words.append(f"to {self.max:f}" if self.min is not None else f"up to {self.max:f}")
        return ("auto or " if self.auto else "") + " ".join(words)


Ranges = Mapping[str, Mapping[str, Range]]
"""Method → hyperparameter → its values."""

Overrides = Mapping[str, Mapping[str, Mapping[str, bool | int | float | str | list[str] | None]]]
"""Method → hyperparameter → the bounds that differ, as a data file writes them."""

# openai.md §1.6 (the specification), but for the ends of the learning rate's multiplier: it only says "above 0".
_SHARED: Final[dict[str, Range]] = {
    "n_epochs": Range(integer=True, min=Decimal(1), max=Decimal(50)),
    "batch_size": Range(integer=True, min=Decimal(1), max=Decimal(256)),
    "learning_rate_multiplier": Range(min=Decimal("0.0001"), max=Decimal(100)),
}
_COUNT: Final = Range(integer=True, min=Decimal(1), max=Decimal(2**31 - 1))
BY_METHOD: Final[Ranges] = {
    "supervised": _SHARED,
    "dpo": _SHARED | {"beta": Range(above=Decimal(0), max=Decimal(2))},
    "reinforcement": _SHARED
    | {
        "reasoning_effort": Range(auto=False, values=("default", "low", "medium", "high")),
        "compute_multiplier": Range(above=Decimal("0.00001"), max=Decimal(10)),
        "eval_interval": _COUNT,
        "eval_samples": _COUNT,
    },
}
"""What a model takes that says nothing else."""


def ranges(methods: tuple[str, ...], overrides: Overrides) -> Ranges:
    """The ranges of a model's methods: the usual ones, but for what `overrides` says, bound by bound."""
    return {
        method: {name: _changed(usual, overrides.get(method, {}).get(name, {})) for name, usual in named.items()}
        for method, named in BY_METHOD.items()
        if method in methods
    }


def _changed(usual: Range, override: Mapping[str, Any]) -> Range:
    return replace(usual, **{name: _bound(value) for name, value in override.items()})


def _bound(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, bool) or value is None else Decimal(str(value))
