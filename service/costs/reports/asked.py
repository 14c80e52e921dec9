"""What a report can be asked for, and how that is written. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from service.costs.errors import AsOfTooRecent, BadCursor, BadSpan, UnknownSort
from service.costs.rules import Period, period
from service.kit import ids
from service.kit.bodies import is_storable

MEASURES: Final = ("estimated", "reserved", "accrued", "settled", "adjusted", "cost", "quantity")
FILTERS: Final = (
    "team", "cost_center", "product", "environment", "provider", "base_model", "model", "job", "meter",
)  # fmt: skip
AS_OF_AGE: Final = timedelta(seconds=60)
"""Bookings are cut off after half of it: nothing recorded before can still appear."""
_YEARS: Final = (2000, 2099)
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,10})?")

Filters = Mapping[str, tuple[Any, ...]]
"""Key → values of which one must hold; None is a value: what belongs to none."""
Cursor = tuple[str | None, ...]
"""A row's place: its value of the measure sorted by, where there is one, then its keys."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days in UTC, from `start` on and before `end`."""

    start: date
    end: date

    @property
    def months(self) -> list[date]:
        """The first day of each month that it has a day of."""
        found = [self.start.replace(day=1)]
        while (following := next_month(found[-1])) < self.end:
            found.append(following)
        return found

    def __str__(self) -> str:
        if self.start.day == 1 and self.end == next_month(self.start):
            return f"{self.start:%Y-%m}"
        return f"{self.start}/{self.end}"


@dataclass(frozen=True, slots=True)
class Sort:
    """A measure, and whether the largest comes first; without one rows are sorted by their keys, null last."""

    measure: str | None = None
    descending: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.measure or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One report. `team_id` narrows it to one team; None means every team the session's role may see."""

    span: Span
    group_by: tuple[str, ...]
    team_id: UUID | None = None
    filters: Filters = field(default_factory=dict, hash=False)
    as_of: datetime | None = None
    sort: Sort = field(default_factory=Sort)
    booked_until: datetime | None = None  # for the further pages of a file: held now all the same

    @property
    def until(self) -> datetime | None:
        """Nothing recorded later counts; None: everything does."""
        return self.as_of or self.booked_until


def next_month(month: date) -> date:
    """The first day of the month after that of a first day."""
    return Period(month).end.date()


def span(month: str | None, start: date | None, end: date | None, *, at: datetime) -> Span:
    """A month as YYYY-MM, or days from one on and before another; without either the month of `at`.

    Raises BadPeriod and BadSpan.
    """
    if month is not None and (start or end):
        raise BadSpan(pointer="period")
    if start is None and end is None:
        first = period(month if month is not None else f"{at.astimezone(UTC):%Y-%m}").month
        return Span(first, next_month(first))
    if start is None or end is None or start >= end:
        raise BadSpan(pointer="start" if start is None else "end")
    if start.year < _YEARS[0] or end > date(_YEARS[1] + 1, 1, 1):
        raise BadSpan(pointer="start" if start.year < _YEARS[0] else "end")
    return Span(start, end)


def as_of(asked: datetime | None, *, at: datetime) -> datetime | None:
    """The moment whose report is wanted. Raises AsOfTooRecent where bookings may still be under way."""
    if asked is not None and asked > at - AS_OF_AGE:
        raise AsOfTooRecent(seconds=int(AS_OF_AGE.total_seconds()), pointer="as_of")
    return asked


def filters(asked: Mapping[str, list[str] | None]) -> Filters:
    """What was given for each key, an empty text for what belongs to none. Raises UnknownId for a job's."""
    return {
        key: tuple(_value(key, text) if text else None for text in dict.fromkeys(texts))
        for key, texts in asked.items()
        if texts
    }


def _value(key: str, text: str) -> str | UUID:
    return ids.read("job", text) if key == "job" else text


def sort(text: str | None) -> Sort:
    """A measure, with `-` before it for the largest first. Raises UnknownSort."""
    if not text:
        return Sort()
    measure = text.removeprefix("-")
    if measure not in MEASURES:
        raise UnknownSort(sort=text, known=", ".join(MEASURES), pointer="sort")
    return Sort(measure, descending=text.startswith("-"))


def cursor_of(text: str, asked: Asked) -> Cursor:
    """The place after which to go on, as `write_cursor` wrote it. Raises BadCursor where it is of another report."""
    try:
        made = json.loads(base64.urlsafe_b64decode(text.encode()))
        by, *values = made
        fits = by == [str(asked.sort), *asked.group_by] and len(values) == len(asked.group_by) + bool(
            asked.sort.measure
        )
    except (ValueError, TypeError, RecursionError, binascii.Error):
        fits, values = False, []
    if not fits or not all(value is None or (isinstance(value, str) and is_storable(value)) for value in values):
        raise BadCursor(pointer="after")
    if asked.sort.measure and not _NUMBER.fullmatch(values[0] or ""):
        raise BadCursor(pointer="after")
    return tuple(values)


def write_cursor(values: Cursor, asked: Asked) -> str:
    """A row's place as a text that a URL may hold."""
    return base64.urlsafe_b64encode(json.dumps([[str(asked.sort), *asked.group_by], *values]).encode()).decode()
