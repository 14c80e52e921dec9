"""Exact prices, months, keys, and text that no spreadsheet runs."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.costs import BadPeriod, CostReport, UnknownGroup, as_csv, groups, period, quote
from service.costs.schemas import CostRow, CostTotal, ReportPeriod
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
    assert "team, base_model, model, job" in refused.value.message


cells = st.text() | st.text(alphabet=DANGEROUS + "a1(", min_size=1)


@thorough
@given(cells)
def test_no_cell_begins_a_formula_and_no_text_is_lost(cell: str) -> None:
    safe = guarded(cell)
    assert not safe.startswith(tuple(DANGEROUS))
    assert safe == cell or (safe == f"'{cell}" and cell[0] in DANGEROUS)


def a_report(*rows: CostRow, group_by: list[str]) -> CostReport:
    month = period("2026-11")
    return CostReport(
        object="cost_report",
        period=ReportPeriod(start=month.start, end=month.end),
        group_by=group_by,
        currency="USD",
        rows=list(rows),
        total=CostTotal(reserved=Decimal(0), settled=Decimal(0), quantity=0),
    )


@thorough
@given(st.lists(st.tuples(cells, st.decimals(-(10**6), 10**6, places=10), st.integers(0, 10**12)), max_size=5))
def test_csv_gives_back_every_cell_with_numbers_as_they_are(lines: list[tuple[str, Decimal, int]]) -> None:
    rows = [CostRow(model=text, reserved=Decimal(0), settled=amount, quantity=count) for text, amount, count in lines]
    written = as_csv(a_report(*rows, group_by=["model"]))
    header, *read = csv.reader(io.StringIO(written, newline=""))
    assert header == ["period", "model", "currency", "reserved", "settled", "quantity"]
    assert len(read) == len(lines)
    for (month, model, currency, reserved, settled, quantity), (text, amount, count) in zip(read, lines, strict=True):
        assert (month, currency, reserved) == ("2026-11", "USD", "0.00")
        assert model == guarded(text)
        assert Decimal(settled) == amount
        assert int(quantity) == count


def test_an_absent_key_is_an_empty_cell() -> None:
    row = CostRow(team="a", model=None, reserved=Decimal("1.5"), settled=Decimal(0), quantity=0)
    assert as_csv(a_report(row, group_by=["team", "model"])).splitlines()[1] == "2026-11,a,,USD,1.50,0.00,0"
