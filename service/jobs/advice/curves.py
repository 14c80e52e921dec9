"""What was measured over the steps of a training, made smooth enough to be judged. Pure.

A curve is scaled by its largest value, so that what is said of it does not depend on the unit, and turned so that lower
is better. It is smoothed by cutting it into at most `BINS` stretches of equal length: of losses the median of each,
which a few wild batches cannot move, of rewards and accuracies, which are often 0 or 1, the mean. What is left of the
noise is estimated from second differences (Gasser, Sroka and Jennen-Steinmetz 1986), which no steady trend disturbs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

BINS: Final = 16
_ENOUGH_FOR_NOISE: Final = 5
_MAD_TO_SIGMA: Final = 0.6745 * math.sqrt(6)  # of second differences of independent normal noise

Series = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """Smoothed values from -1 to 1, lower is better, each with the last step it stands for; never empty."""

    steps: tuple[int, ...]
    values: tuple[float, ...]
    scale: float  # what a value of 1 was; negative where more was better

    @classmethod
    def of_losses(cls, series: Series, *, bins: int = BINS) -> "Curve | None":
        """Lower is better already."""
        return _smoothed(series, 1.0, median, bins)

    @classmethod
    def of_gains(cls, series: Series, *, bins: int = BINS) -> "Curve | None":
        """Rewards or accuracies: higher is better."""
        return _smoothed(series, -1.0, fmean, bins)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def best(self) -> int:
        """Index of the lowest value, the first of several."""
        return self.values.index(min(self.values))

    @property
    def end(self) -> float:
        """How it ended: the median of the last quarter, of two values at least."""
        return median(self.values[-max(2, len(self) // 4) :])

    @property
    def thirds(self) -> tuple[float, float, float]:
        """Medians of the beginning, the middle and the last third. For a curve of three values or more."""
        third = len(self) // 3
        return median(self.values[:third]), median(self.values[third:-third]), median(self.values[-third:])

    @property
    def span(self) -> float:
        return max(self.values) - min(self.values)

    @property
    def noise(self) -> float:
        """A standard deviation of what is no trend; 0 where there are too few values to tell."""
        if len(self) < _ENOUGH_FOR_NOISE:
            return 0.0
        triples = zip(self.values, self.values[1:], self.values[2:], strict=False)
        return median(abs(a - 2 * b + c) for a, b, c in triples) / _MAD_TO_SIGMA

    def at(self, step: int) -> float:
        """How it stood at `step`: the value of the last stretch that had ended by then, else of the first."""
        ended = [value for end, value in zip(self.steps, self.values, strict=True) if end <= step]
        return ended[-1] if ended else self.values[0]

    def shown(self, value: float) -> float:
        """A value as it was measured, to six digits."""
        return float(f"{value * self.scale:.6g}")


def _smoothed(series: Series, sign: float, centre: Callable[[Sequence[float]], float], bins: int) -> Curve | None:
    if not series:
        return None
    ordered = sorted(series)
    scale = sign * (max(abs(value) for _, value in ordered) or 1.0)
    size = -(-len(ordered) // bins)
    stretches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return Curve(
        tuple(stretch[-1][0] for stretch in stretches),
        tuple(centre([value / scale for _, value in stretch]) for stretch in stretches),
        scale,
    )
