"""A team's months, and what is left of one. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from service.kit import money


@dataclass(frozen=True, slots=True)
class Settlement:
    """The month a charge belongs to, and whether it was more than what was held for it."""

    month: date
    overrun: bool


def month_of(at: datetime, time_zone: str) -> date:
    """The first day of the calendar month that an instant lies in, as the team's clocks show it."""
    return at.astimezone(ZoneInfo(time_zone)).date().replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def begins_at(month: date, time_zone: str) -> datetime:
    """The first instant (UTC) of a month in a time zone."""
    return datetime.combine(month, time(), ZoneInfo(time_zone)).astimezone(UTC)


def left(limit: Decimal | None, spent: Decimal, held: Decimal) -> Decimal:
    """What may still be granted: nothing without a limit, and nothing once a limit is overdrawn."""
    return max(money.ZERO, (limit or money.ZERO) - spent - held)
