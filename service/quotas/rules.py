"""A team's days and months, what is left of one, and which limits hold for whom. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from service.kit import money
from service.quotas.errors import JobsDenied, ModelNotAllowed, NotAllowed, TrainingMethodNotAllowed

Origin = Literal["team", "platform", "default"]
Words = Mapping[str, Any]  # limits as they were given and as JSON keeps them, by name; what is absent is inherited

UNLIMITED: Final = "unlimited"
DEFAULTS: Final[Words] = {
    "allowed_models": UNLIMITED,
    "allowed_methods": UNLIMITED,
    "concurrent_jobs": UNLIMITED,
    "jobs_per_day": UNLIMITED,
    "weight": "1",
    "approval_above": UNLIMITED,
    "storage_bytes": UNLIMITED,
    "retention_days": UNLIMITED,
    "training_tokens_per_month": UNLIMITED,
    "requests_per_minute": UNLIMITED,
    "requests_per_minute_per_key": 6000,
}
"""What holds where neither the team nor the platform has a word."""
BUDGET_DEFAULTS: Final[Words] = {"monthly_limit": None, "rollover_max": "0", "thresholds": [50, 80, 100]}
"""The same of budgets. A limit that nobody ever set is none: nothing may be spent, and a refusal says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a team may do beside spending. None is no limit; zero and an empty set deny."""

    allowed_models: frozenset[str] | None  # ids of snapshots
    allowed_methods: frozenset[str] | None
    concurrent_jobs: int | None
    jobs_per_day: int | None  # of the team's own calendar
    weight: Decimal  # of its turns, against the other teams'
    approval_above: Decimal | None
    storage_bytes: int | None  # of all datasets together
    retention_days: int | None  # of a dataset
    training_tokens_per_month: int | None  # of the team's own calendar, and of what is paid by tokens
    requests_per_minute: int | None  # of all the team's keys together
    requests_per_minute_per_key: int | None

    def asks_approval(self, price: Decimal) -> bool:
        """Whether a second person has to agree to a job of that price."""
        return self.approval_above is not None and price > self.approval_above


@dataclass(frozen=True, slots=True)
class Share:
    """What a team may have of the slots: its weight against others', and how many at most (None: any number)."""

    weight: Decimal
    concurrent_jobs: int | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What each month of a team starts with, and what of it is told and carried on."""

    monthly_limit: Decimal | Literal["unlimited"] | None  # None: there is no budget
    rollover_max: Decimal | None  # of what is left of one month, the most that the next one gets; None: all of it
    thresholds: tuple[int, ...]  # percent of the limit; reached, each is told once a month

    @property
    def base(self) -> Decimal | None:
        """What a month's limit is before anything is carried or granted; None is unlimited."""
        if self.monthly_limit is None:
            return money.ZERO
        return None if self.monthly_limit == UNLIMITED else Decimal(self.monthly_limit)


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute; None is no limit."""

    per_team: int | None
    per_key: int | None


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


def day_of(at: datetime, time_zone: str) -> date:
    """The calendar day that an instant lies in, as the team's clocks show it."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def next_day(day: date) -> date:
    """The day after."""
    return day + timedelta(days=1)


def begins_at(day: date, time_zone: str) -> datetime:
    """The first instant (UTC) of a day in a time zone; of a month, given its first day."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)


def left(limit: Decimal | None, spent: Decimal, held: Decimal) -> Decimal:
    """What may still be granted: nothing without a limit, and nothing once a limit is overdrawn."""
    return max(money.ZERO, (limit or money.ZERO) - spent - held)


def carried(own: Decimal | None, used: Decimal, most: Decimal | None) -> Decimal:
    """What goes on into the next month, of a month's own money (None: unlimited) less what is spent or held of it."""
    if own is None:
        return money.ZERO
    rest = max(money.ZERO, own - used)
    return rest if most is None else min(rest, most)


def carried_over(own: Decimal | None, used: Decimal, terms: Terms, last: date, month: date) -> list[Decimal]:
    """What each month after `last` up to `month` is carried, where nothing is spent between them."""
    found: list[Decimal] = []
    while last < month:
        found.append(carried(own, used, terms.rollover_max))
        own, used, last = None if terms.base is None else terms.base + found[-1], money.ZERO, next_month(last)
    return found


def reached(limit: Decimal | None, spent: Decimal, thresholds: Sequence[int]) -> list[int]:
    """The thresholds, in percent of the limit, that what is spent has come to. Nothing spent reaches none."""
    if limit is None or spent <= 0:
        return []
    return [percent for percent in thresholds if spent * 100 >= limit * percent]


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "allowed_models": frozenset,
    "allowed_methods": frozenset,
    "concurrent_jobs": int,
    "jobs_per_day": int,
    "weight": Decimal,
    "approval_above": Decimal,
    "storage_bytes": int,
    "retention_days": int,
    "training_tokens_per_month": int,
    "requests_per_minute": int,
    "requests_per_minute_per_key": int,
}


def in_force(team: Words, platform: Words, defaults: Words = DEFAULTS) -> dict[str, tuple[Any, Origin]]:
    """Each limit's word and whose it is: the team's own, else the platform's, else the default."""
    layers: tuple[tuple[Words, Origin], ...] = ((team, "team"), (platform, "platform"), (defaults, "default"))
    return {name: next((words[name], whose) for words, whose in layers if name in words) for name in defaults}


def terms(team: Words, platform: Words) -> Terms:
    """The budget's terms in force, to reckon with."""
    words = {name: word for name, (word, _) in in_force(team, platform, BUDGET_DEFAULTS).items()}
    limit, most = words["monthly_limit"], words["rollover_max"]
    return Terms(
        monthly_limit=limit if limit in (None, UNLIMITED) else Decimal(limit),
        rollover_max=None if most == UNLIMITED else Decimal(most),
        thresholds=tuple(words["thresholds"]),
    )


def limits(team: Words, platform: Words) -> Limits:
    """The limits in force, to reckon with."""
    words = in_force(team, platform)
    meant: dict[str, Any] = {
        name: None if word == UNLIMITED else _READ[name](word) for name, (word, _) in words.items()
    }
    return Limits(**meant)


def rates(standing: Limits) -> Rates:
    """What of the limits is about requests."""
    return Rates(standing.requests_per_minute, standing.requests_per_minute_per_key)


DEFAULT_RATES: Final = rates(limits({}, {}))


def refusal(standing: Limits, team: str, *, model: str, method: str) -> NotAllowed | None:
    """Why the team (a slug) may not train that snapshot by that method at all, as the error to raise; None if it may.

    A limit that time or other jobs lift again is none of these.
    """
    for limit in ("jobs_per_day", "concurrent_jobs", "training_tokens_per_month"):
        if getattr(standing, limit) == 0:
            return JobsDenied(limit=limit, value=0, used=0, resets_at=None, team=team)
    if standing.allowed_models is not None and model not in standing.allowed_models:
        return ModelNotAllowed(**_list(standing.allowed_models, "allowed_models"), asked=model, team=team,
                               pointer="#/model")  # fmt: skip
    if standing.allowed_methods is not None and method not in standing.allowed_methods:
        return TrainingMethodNotAllowed(**_list(standing.allowed_methods, "allowed_methods"), asked=method, team=team,
                                pointer="#/method/type")  # fmt: skip
    return None


def _list(allowed: frozenset[str], limit: str) -> dict[str, Any]:
    value = sorted(allowed)
    return {"limit": limit, "value": value, "allowed": " and ".join(value) or "none", "used": None, "resets_at": None}
