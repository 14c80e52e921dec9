"""Whatever both sides say, the parts of a difference add up to it; and what lines of a bill are about."""

from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.costs.metering.rules import base_in
from service.costs.reconciling.rules import (
    TOLERANCE,
    About,
    Accrued,
    Billed,
    Cause,
    DayState,
    Names,
    Sides,
    Subject,
    counted,
    differences,
    state_of,
    subject_of,
)

BASE = "gpt-4o-mini-2024-07-18"
NAMES = Names(base_in, {BASE: BASE, "gpt-4o-mini": BASE}.get)
TRAINING = Subject(About.TRAINING, BASE, "training_tokens")

amounts = st.decimals(0, 1_000_000, places=10)
quantities = st.integers(0, 10**9).map(Decimal)
lines = st.builds(
    Billed, st.just(f"{BASE}, training"), st.sampled_from(["p", "q"]), st.sampled_from(["a", "b"]), amounts,
    st.one_of(st.none(), quantities),
)  # fmt: skip
entries = st.builds(Accrued, st.builds(uuid4), amounts, amounts)
subjects = st.sampled_from([
    TRAINING, Subject(About.INFERENCE, BASE, "input_tokens", "standard", "p", "a"), Subject(About.UNKNOWN),
])  # fmt: skip


@given(
    subject=subjects,
    found=st.lists(lines, max_size=4),
    booked=st.one_of(st.just((Decimal(0), Decimal(0))), st.tuples(amounts, quantities)),
    price=st.one_of(st.none(), st.decimals("0.0000001", "0.001", places=10)),
    accrued=st.lists(entries, max_size=3),
    is_settled=st.booleans(),
    is_unpriced=st.booleans(),
    beside=st.lists(quantities, max_size=2),
)
def test_the_parts_add_up_to_the_difference(
    subject: Subject, found: list[Billed], booked: tuple[Decimal, Decimal], price: Decimal | None,
    accrued: list[Accrued], is_settled: bool, is_unpriced: bool, beside: list[Decimal],
) -> None:  # fmt: skip
    sides = Sides(found, *booked, price=price, accrued=accrued, is_unpriced=is_unpriced)
    parts = differences(subject, sides, is_settled=is_settled, beside=beside)
    total = sides.billed - sides.booked
    if sides.is_matched:
        assert parts == []
        assert abs(total) <= sides.tolerance
    else:
        assert sum(one.amount for one in parts) == total
    assert not is_settled or beside or Cause.TIMING not in {one.cause for one in parts}


def test_a_price_that_drifts_is_told_at_once_and_a_missing_quantity_waits() -> None:
    sides = Sides([Billed("", "", "", Decimal("3.3"), Decimal(1_000_000))], Decimal(6), Decimal(2_000_000))
    early = differences(TRAINING, sides, is_settled=False)
    assert [(one.cause, one.amount) for one in early] == [
        (Cause.PRICE_DRIFT, Decimal("0.3")), (Cause.TIMING, Decimal(-3)),
    ]  # fmt: skip


def test_what_is_below_the_tolerance_is_no_difference() -> None:
    for noise in (TOLERANCE, -TOLERANCE):
        sides = Sides([Billed("", "", "", 3 + noise, Decimal(1))], Decimal(3), Decimal(1))
        assert differences(TRAINING, sides, is_settled=True) == []


@pytest.mark.parametrize(
    ("line", "about", "meter", "tier"),
    [
        ("ft:gpt-4o-mini-2024-07-18:acme::x, input_tokens", About.INFERENCE, "input_tokens", "standard"),
        ("ft:gpt-4o-mini:acme::x, cached_input_tokens", About.INFERENCE, "cached_input_tokens", "standard"),
        ("ft:gpt-4o-mini:acme::x, output_tokens, batch", About.INFERENCE, "output_tokens", "batch"),
        ("gpt-4o-mini, training", About.TRAINING, "training_tokens", "standard"),
        ("gpt-4o-mini, output_tokens", About.OUTSIDE, None, "standard"),
        ("gpt-4o-mini, image_tokens", About.UNKNOWN, None, "standard"),
        ("gpt-77, output_tokens", About.UNKNOWN, None, "standard"),
        ("attic, storage", About.UNKNOWN, None, "standard"),
        ("", About.UNKNOWN, None, "standard"),
        (", training", About.UNKNOWN, None, "standard"),
    ],
)
def test_what_a_line_is_about(line: str, about: About, meter: str | None, tier: str) -> None:
    subject = subject_of(line, "proj", "key", "tokens", NAMES)
    assert (subject.about, subject.meter, subject.tier) == (about, meter, tier)
    assert (subject.base_model == BASE) == (about in (About.INFERENCE, About.TRAINING))
    assert (subject.line_item == line) == (about is About.UNKNOWN)


def test_training_by_the_hour_is_counted_in_seconds() -> None:
    assert subject_of("gpt-4o-mini, training", "", "", "duration_hours", NAMES).meter == "training_hours"
    assert counted(Decimal("1.5"), "duration_hours") == 5_400
    assert counted(Decimal(2), "1000_tokens") == 2_000
    assert counted(Decimal(2), "gibibyte_hours") is None
    assert counted(None, "tokens") is None


def test_a_day_is_a_matter_of_time_only_where_nothing_else_is_open() -> None:
    assert state_of([]) == DayState.MATCHED
    assert state_of([Cause.TIMING, Cause.TIMING]) == DayState.TIMING
    assert state_of([Cause.TIMING, Cause.PRICE_DRIFT]) == DayState.MISMATCH
