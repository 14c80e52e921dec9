"""What a span will have cost at its end, from what is booked, what is held, and the pace of the days before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from service.kit import money

DAYS_OBSERVED: Final = 28
"""Whole weeks, so that weekends weigh as much as they do."""
_WIDTH: Final = Decimal("1.2816")  # standard deviations on each side that hold 80 % of a normal distribution
METHOD: Final = (
    f"Booked so far, plus the larger of what is held now and the mean of the last {DAYS_OBSERVED} whole days (UTC) for "
    "each day left: what is held is charged in those days, not on top of them. low and high hold four outcomes of "
    "five, as far as days are independent of each other."
)


@dataclass(frozen=True, slots=True)
class Projection:
    """Amounts at the end: `forecast` is what is booked and held and what is `expected` beyond both."""

    booked: Decimal
    held: Decimal
    expected: Decimal
    forecast: Decimal
    low: Decimal
    high: Decimal


def project(days: Sequence[Decimal], *, booked: Decimal, held: Decimal, days_left: Decimal) -> Projection:
    """`days`: what those of the observed days cost that cost something."""
    pace, band = _pace(days, days_left)
    return Projection(
        booked=booked,
        held=held,
        expected=max(pace - held, money.ZERO),
        forecast=booked + max(pace, held),
        low=booked + max(pace - band, money.ZERO),
        high=booked + max(pace + band, held),
    )


def together(rows: Sequence[Projection], days: Sequence[Decimal], *, days_left: Decimal) -> Projection:
    """The sum of the rows; its bounds are those of all days together, closer than the rows' own added up."""
    sums = {name: sum((getattr(row, name) for row in rows), money.ZERO) for name in Projection.__dataclass_fields__}
    _, band = _pace(days, days_left)
    least = max(sums["forecast"] - band, sums["booked"])
    return Projection(**sums | {"low": least, "high": sums["forecast"] + band})


def _pace(days: Sequence[Decimal], days_left: Decimal) -> tuple[Decimal, Decimal]:
    """What the days left cost at the mean of the observed ones, and how far that may be off on each side."""
    with localcontext(prec=50):
        every = [*days, *[money.ZERO] * (DAYS_OBSERVED - len(days))]
        mean = sum(every, money.ZERO) / DAYS_OBSERVED
        variance = sum(((day - mean) ** 2 for day in every), money.ZERO) / (DAYS_OBSERVED - 1)
        return money.amount(mean * days_left), money.amount(_WIDTH * (variance * days_left).sqrt())
