"""What advice consists of, and what it is drawn from. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from service.jobs.advice.curves import Curve, Series
from service.jobs.measures import Measured

EPOCHS_MAX: Final = 50
VALIDATED_FROM: Final = 3  # validations; from fewer nothing is said of how they went


class Code(StrEnum):
    """What can be found."""

    OVERFITTING = "overfitting"
    UNDERFITTING = "underfitting"
    PLATEAU = "plateau"
    DIVERGENCE = "divergence"
    TOO_FEW_EXAMPLES = "too_few_examples"
    PREFERENCES_NOT_LEARNED = "preferences_not_learned"
    REWARD_FLAT = "reward_flat"
    PARSE_ERRORS = "parse_errors"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job besides its curves. `epochs` are those planned, None where nobody knows."""

    examples: int
    epochs: int | None = None
    learning_rate_multiplier: float | None = None
    is_complete: bool = True  # trained to its planned end


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Hyperparameters to try next; None: as they were."""

    n_epochs: int | None = None
    learning_rate_multiplier: float | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding."""

    code: Code
    message: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A job's curves, as far as there are any, and how its steps, of which there is one at least, make epochs."""

    facts: Facts
    steps: Sequence[Measured]
    train: Curve | None
    valid: Curve | None
    what: str  # loss or reward

    def epoch_of(self, step: int) -> int | None:
        """The epoch that ends nearest to the step."""
        total = max([one.total_steps or 0 for one in self.steps] + [self.steps[-1].step])
        if self.facts.epochs is None or total == 0:
            return None
        return max(1, round(self.facts.epochs * min(step, total) / total))

    def stop_at(self, step: int) -> Suggestion | None:
        """Fewer epochs, where that is possible."""
        epoch = self.epoch_of(step)
        if epoch is None or self.facts.epochs is None or self.facts.epochs < 2:  # noqa: PLR2004
            return None
        return Suggestion(n_epochs=min(epoch, self.facts.epochs - 1))


def run_of(facts: Facts, steps: Sequence[Measured]) -> Run:
    """The run with its curves: of rewards where there are any, else of losses. `steps` in order."""
    rewards = series(steps, "train_mean_reward")
    if rewards:
        validation = series(steps, "full_valid_mean_reward")
        return Run(facts, steps, Curve.of_gains(rewards), Curve.of_gains(validation), "reward")
    whole, parts = series(steps, "full_valid_loss"), series(steps, "valid_loss")
    # A loss over the whole validation file needs no smoothing.
    valid = Curve.of_losses(whole, bins=EPOCHS_MAX) if len(whole) >= VALIDATED_FROM else Curve.of_losses(parts)
    return Run(facts, steps, Curve.of_losses(series(steps, "train_loss")), valid, "loss")


def series(steps: Iterable[Measured], column: str) -> Series:
    """What was measured of one column, by step."""
    return [(one.step, value) for one in steps if (value := one.values.get(column)) is not None]
