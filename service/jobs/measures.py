"""What a provider measured at one step, read from an event or from a line of its table: numbers only, pure.

The names are openai.md §6's. Reinforcement's rewards stand flat in the guide's text and under `scores` in its sample,
so both are read. No sample of a preference job's measures is published: its accuracies are read under our own names and
under those of the trainer that compatible servers run (TRL's DPOTrainer: `rewards/accuracies`).
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Column → the names it goes by, the first that holds a number wins. The `training_` ones are the legacy API's.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "train_loss": ("train_loss", "training_loss"),
    "train_mean_token_accuracy": ("train_mean_token_accuracy", "train_accuracy", "training_token_accuracy"),
    "valid_loss": ("valid_loss", "validation_loss"),
    "valid_mean_token_accuracy": ("valid_mean_token_accuracy", "valid_accuracy", "validation_token_accuracy"),
    "full_valid_loss": ("full_valid_loss",),
    "full_valid_mean_token_accuracy": ("full_valid_mean_token_accuracy",),
    "train_mean_reward": ("train_mean_reward", "train_reward_mean", "scores.train_reward_mean"),
    "full_valid_mean_reward": ("full_valid_mean_reward", "valid_reward_mean", "scores.valid_reward_mean"),
    "full_valid_mean_parse_error": ("full_valid_mean_parse_error",),
    "mean_unresponsive_rewards": ("mean_unresponsive_rewards",),
    "reasoning_tokens_mean": ("reasoning_tokens_mean",),
    "train_preference_accuracy": ("train_preference_accuracy", "rewards/accuracies"),
    "valid_preference_accuracy": ("valid_preference_accuracy", "eval_rewards/accuracies"),
}
OTHERS_MAX: Final = 64  # further numbers kept of one step
_STEP_MAX: Final = 2**31 - 1
_NAME_LENGTH_MAX: Final = 128
_KNOWN: Final = frozenset(name for names in NAMES.values() for name in names) | {"step", "total_steps"}
_DEPTH_MAX: Final = 8
_MINUS_ONE_IS_ABSENT: Final = "validation_"  # how the names begin, in the legacy API's tables (openai.md §6)


@dataclass(frozen=True, slots=True)
class Measured:
    """One step. `values` has an entry for each column of `NAMES`, `others` what else was a number, by dotted name."""

    step: int
    total_steps: int | None
    values: Mapping[str, float | None]
    others: Mapping[str, float] = field(default_factory=dict)


def of_event(data: Mapping[str, Any]) -> Measured | None:
    """The measures in an event's data; None where it names no step. What is no finite number is left out."""
    return _measured({name: value for name, value in _flat(data, "") if value is not None})


def of_table(lines: Iterable[str]) -> Iterator[Measured]:
    """The steps of a result file, from its header on. A line that names no step, or cannot be read, is left out."""
    table = csv.reader(lines)
    names = [name.strip().lower() for name in next(table, [])]
    while True:
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error:  # a cell longer than a table of numbers has
            continue
        cells = ((name, _cell(name, cell)) for name, cell in zip(names, row, strict=False))
        measured = _measured({name: number for name, number in cells if number is not None})
        if measured is not None:
            yield measured


def _measured(numbers: Mapping[str, float]) -> Measured | None:
    step = _whole(numbers.get("step"))
    if step is None:
        return None
    found = ((column, (numbers.get(name) for name in names)) for column, names in NAMES.items())
    values = {column: next((value for value in told if value is not None), None) for column, told in found}
    others = [(name, value) for name, value in numbers.items() if name not in _KNOWN and len(name) <= _NAME_LENGTH_MAX]
    return Measured(step, _whole(numbers.get("total_steps")), values, dict(others[:OTHERS_MAX]))


def _flat(value: Any, name: str) -> Iterator[tuple[str, float | None]]:
    """Every number below, by its dotted name; entries of a list by their index."""
    if isinstance(value, Mapping):
        inner = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [(str(index), one) for index, one in enumerate(value)]
    else:
        yield name, _number(value)
        return
    if name.count(".") >= _DEPTH_MAX:
        return
    for key, one in inner:
        yield from _flat(one, f"{name}.{key}" if name else key)


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers have no end
        return None
    return number if math.isfinite(number) else None


def _cell(name: str, cell: str) -> float | None:
    try:
        number = _number(float(cell))
    except ValueError:
        return None
    return None if number == -1 and name.startswith(_MINUS_ONE_IS_ABSENT) else number


def _whole(value: float | None) -> int | None:
    """A step, as the table of metrics can hold it."""
    return int(value) if value is not None and value.is_integer() and 0 <= value <= _STEP_MAX else None
