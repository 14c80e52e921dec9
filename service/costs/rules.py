"""What tokens cost, which month a report is about, and how its keys are written. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import Final, Protocol

from service.costs.errors import BadPeriod, UnknownGroup
from service.kit import money

# Meters, and how much of what is counted one of their units holds: an hour has 3600 seconds.
_COUNTED: Final = {
    "training_tokens": 1, "training_hours": 3600, "input_tokens": 1, "cached_input_tokens": 1, "output_tokens": 1,
}  # fmt: skip
GROUPS: Final = (
    "team", "cost_center", "product", "environment", "provider", "base_model", "model", "job", "meter", "day", "month",
)  # fmt: skip
_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


class Priced(Protocol):
    """What of a price a quote depends on."""

    @property
    def meter(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def unit_quantity(self) -> Decimal: ...


def quote(price: Priced, quantity: int) -> Decimal:
    """What training or inference costs, exact before it is rounded once, half to even, to ten places.

    `quantity` is tokens, or seconds of training where the price is by the hour.
    """
    if quantity < 0:
        raise ValueError(f"cannot quote {quantity} by {price.meter}")
    with localcontext(prec=60):
        return money.amount(price.amount * quantity / priced_quantity(price))


def priced_quantity(price: Priced) -> Decimal:
    """For how much its amount is, in what `quote` counts. ValueError for a meter nothing is booked by."""
    counted = _COUNTED.get(price.meter)
    if counted is None:
        raise ValueError(f"cannot quote by {price.meter}")
    return price.unit_quantity * counted


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month: of UTC for what is settled, of each team's own clocks for what is held."""

    month: date

    @property
    def start(self) -> datetime:
        """Its first instant."""
        return datetime(self.month.year, self.month.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return datetime(self.month.year + self.month.month // 12, self.month.month % 12 + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


def period(text: str) -> Period:
    """The month written as YYYY-MM, from 2000 to 2099. Raises BadPeriod."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise BadPeriod(period=text, pointer="period")
    return Period(date(int(found[1]), int(found[2]), 1))


def groups(text: str) -> tuple[str, ...]:
    """The keys of a report, as asked for, each once. Raises UnknownGroup."""
    asked = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for group in asked:
        if group not in GROUPS:
            raise UnknownGroup(group=group, known=", ".join(GROUPS), pointer="group_by")
    return asked
