"""Exact prices, months, keys, and text that no spreadsheet runs."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.costs import BadPeriod, UnknownGroup, groups, period, quote
from service.kit.spreadsheets import guarded

thorough = settings(derandomize=True, deadline=None, max_examples=500)
DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@dataclass
class APrice:
    amount: Decimal
    unit_quantity: Decimal = Decimal(1_000_000)
    meter: str = "training_tokens"


units = st.sampled_from([Decimal(1), Decimal(1000), Decimal(10**6)])
prices = st.builds(APrice, st.decimals(0, 10**6, places=10), units)
tokens = st.integers(0, 10**13)


@thorough
@given(prices, tokens)
def test_a_quote_is_exact_and_rounded_once_to_ten_places(price: APrice, count: int) -> None:
    exact = Fraction(price.amount) * count / Fraction(price.unit_quantity)
    assert Fraction(quote(price, count)) == Fraction(round(exact * 10**10), 10**10)  # round() is half to even too


@thorough
@given(prices, tokens, tokens)
def test_more_tokens_never_cost_less(price: APrice, some: int, more: int) -> None:
    assert quote(price, some) <= quote(price, some + more)


def test_the_notebooks_example_costs_what_it_should() -> None:
    assert quote(APrice(Decimal(5)), 86_120) == Decimal("0.4306")


def test_an_hour_is_charged_by_the_second() -> None:
    by_hour = APrice(Decimal(100), Decimal(1), meter="training_hours")
    assert quote(by_hour, 3_600) == 100
    assert quote(by_hour, 1) == Decimal("0.0277777778")


@pytest.mark.parametrize(("meter", "count"), [("hosting_hours", 1), ("training_tokens", -1)])
def test_only_what_is_booked_is_quoted(meter: str, count: int) -> None:
    with pytest.raises(ValueError, match="cannot quote"):
        quote(APrice(Decimal(1), meter=meter), count)


def test_a_period_is_half_open() -> None:
    december = period("2026-12")
    assert (december.start, december.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert str(december) == "2026-12"


@thorough
@given(st.dates(date(2000, 1, 1), date(2099, 11, 30)))
def test_each_period_ends_where_the_next_begins(day: date) -> None:
    one = period(f"{day:%Y-%m}")
    assert one.start.date() <= day < one.end.date()
    assert period(f"{one.end:%Y-%m}").start == one.end


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "1999-12", "2026-11-01", "202\uff16-11", "2026-11\n", "x"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod) as refused:
        period(text)
    assert refused.value.pointer == "period"


def test_keys_are_kept_in_the_order_asked_for_each_once() -> None:
    assert groups("model, team,model") == ("model", "team")


@pytest.mark.parametrize("text", ["", "team,", "Team", "team;model", "amount"])
def test_an_unknown_key_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(UnknownGroup) as refused:
        groups(text)
    assert refused.value.pointer == "group_by"
    assert "base_model, model, job" in refused.value.message


cells = st.text() | st.text(alphabet=DANGEROUS + "a1(", min_size=1)


@thorough
@given(cells)
def test_no_cell_begins_a_formula_and_no_text_is_lost(cell: str) -> None:
    safe = guarded(cell)
    assert not safe.startswith(tuple(DANGEROUS))
    assert safe == cell or (safe == f"'{cell}" and cell[0] in DANGEROUS)
