"""How a number is spread over the examples, exactly and in little memory: by counting how often each value occurs."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

BUCKETS: Final = (
    16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 16_385, 32_768, 65_536,
)  # fmt: skip
"""Upper bounds of a histogram's first buckets; the limits of models (openai.md §3.6) are among them."""


class Spread(Struct):
    """Values of many examples; what they sum to and where their quantiles lie."""

    times: dict[int, int] = field(default_factory=dict)

    def add(self, value: int, times: int = 1) -> None:
        """One more example, or so many."""
        self.times[value] = self.times.get(value, 0) + times

    def join(self, later: "Spread") -> None:
        """Take in the examples of another."""
        for value, times in later.times.items():
            self.add(value, times)

    @property
    def longest(self) -> int:
        """The largest value; 0 when there is none."""
        return max(self.times, default=0)

    def capped(self, limit: int) -> tuple[int, int, int]:
        """(sum of min(limit, value), values over the limit, what the limit cuts off all of them together)."""
        over = [(value, times) for value, times in self.times.items() if value > limit]
        lost = sum((value - limit) * times for value, times in over)
        return self._total() - lost, sum(times for _, times in over), lost

    def as_json(self) -> dict[str, int | float] | None:
        """Total, mean and quantiles, or None without a value."""
        examples = sum(self.times.values())
        if examples == 0:
            return None
        p5, median, p95 = self._quantiles(examples, 0.05, 0.5, 0.95)
        mean = round(self._total() / examples, 2)
        return {"total": self._total(), "min": min(self.times), "p5": p5, "median": median, "p95": p95,
                "max": self.longest, "mean": mean}  # fmt: skip

    def histogram(self) -> list[dict[str, int | None]]:
        """How many examples have up to so many, and more than in the bucket before; the last bucket has no end."""
        examples = [0] * (len(BUCKETS) + 1)
        for value, times in self.times.items():
            examples[bisect_left(BUCKETS, value)] += times
        return [{"up_to": end, "examples": found} for end, found in zip((*BUCKETS, None), examples, strict=True)]

    def with_histogram(self) -> dict[str, Any] | None:
        """`as_json` and the histogram in one."""
        told = self.as_json()
        return told and {**told, "histogram": self.histogram()}

    def _total(self) -> int:
        return sum(value * times for value, times in self.times.items())

    def _quantiles(self, examples: int, *shares: float) -> Iterator[float]:
        """Interpolated between neighbours like numpy's and the notebook's."""
        values = sorted(self.times.items())
        last = examples - 1
        for share in shares:
            low, part = divmod(share * last, 1)
            below, above = _at(values, int(low)), _at(values, min(int(low) + 1, last))
            yield round(below + (above - below) * part, 2)


def _at(values: list[tuple[int, int]], index: int) -> int:
    """The value at this place of the sorted examples."""
    for value, times in values:
        if index < times:
            return value
        index -= times
    raise IndexError(index)
