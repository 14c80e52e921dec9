"""Months in every time zone, and what is left."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.quotas.rules import begins_at, day_of, left, month_of, next_day, next_month

thorough = settings(derandomize=True, deadline=None, max_examples=500)
zones = st.sampled_from(sorted(zoneinfo.available_timezones() - {"localtime", "posixrules"}))
months = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(lambda day: day.replace(day=1))
amounts = st.decimals(0, 10**9, places=10)
TICK = timedelta(microseconds=1)


@thorough
@given(months, zones)
def test_a_month_begins_where_the_one_before_ends(month: date, zone: str) -> None:
    start = begins_at(month, zone)
    assert month_of(start, zone) == month
    assert next_month(month_of(start - TICK, zone)) == month


@thorough
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)), zones)  # noqa: DTZ001
def test_a_day_resets_where_the_next_one_begins(at: datetime, zone: str) -> None:
    resets_at = begins_at(next_day(day_of(at, zone)), zone)
    assert at < resets_at
    assert day_of(resets_at - TICK, zone) == day_of(at, zone) < day_of(resets_at, zone)


@thorough
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)), zones)  # noqa: DTZ001
def test_every_instant_lies_in_its_month(at: datetime, zone: str) -> None:
    month = month_of(at, zone)
    assert begins_at(month, zone) <= at < begins_at(next_month(month), zone)


def test_berlins_december_begins_in_utcs_november() -> None:
    assert month_of(datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "Europe/Berlin") == date(2026, 12, 1)
    assert month_of(datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "UTC") == date(2026, 11, 1)
    assert begins_at(date(2026, 12, 1), "Europe/Berlin") == datetime(2026, 11, 30, 23, tzinfo=UTC)


@thorough
@given(st.none() | amounts, amounts, amounts)
def test_what_is_left_fits_beside_what_is_spent_and_held(limit: Decimal | None, spent: Decimal, held: Decimal) -> None:
    rest = left(limit, spent, held)
    assert rest >= 0
    assert rest == 0 or (limit is not None and spent + held + rest == limit)


@pytest.mark.parametrize("month", [date(2026, 12, 1), date(2024, 2, 1)])
def test_the_month_after(month: date) -> None:
    assert next_month(month) == (month + timedelta(days=32)).replace(day=1)
