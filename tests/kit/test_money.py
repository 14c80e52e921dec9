"""Amounts stay exact on their way out and back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from service.kit import money

ledger_amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=10, allow_nan=False, allow_infinity=False)


class Priced(BaseModel):
    amount: money.Amount


@given(ledger_amounts)
def test_text_loses_nothing_and_never_uses_an_exponent(value: Decimal) -> None:
    text = money.text(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("value", "text"),
    [("12", "12.00"), ("0.0129", "0.0129"), ("1E+3", "1000.00"), ("1E-10", "0.0000000001"), ("-0.5", "-0.50")],
)
def test_text_is_what_a_person_would_write(value: str, text: str) -> None:
    assert money.text(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.00000000005", "0"), ("0.00000000015", "0.0000000002"), ("0.00000000025", "0.0000000002")],
)
def test_an_amount_is_rounded_half_to_even_at_ten_places(value: str, rounded: str) -> None:
    assert money.amount(value) == Decimal(rounded)


@given(ledger_amounts)
def test_json_carries_a_string_that_reads_back_as_the_same_decimal(value: Decimal) -> None:
    sent = Priced(amount=value).model_dump_json()
    assert f'"{money.text(value)}"' in sent
    assert Priced.model_validate_json(sent).amount == value


def test_a_sum_of_texts_is_the_text_of_the_sum() -> None:
    rows = [Decimal("0.1"), Decimal("0.2"), Decimal("0.0000000001")]
    assert sum(Decimal(money.text(row)) for row in rows) == Decimal("0.3000000001")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12", "12"), ("12.0", "12"), ("1200", "1200"), ("1E+3", "1000"), ("0E-18", "0"), ("-0.50", "-0.5"),
        ("0.000277777777777778", "0.000277777777777778"),
        ("1234567890.123456789012345678", "1234567890.123456789012345678"),
    ],
)  # fmt: skip
def test_plain_keeps_every_digit_and_no_other(value: str, text: str) -> None:
    assert money.plain(Decimal(value)) == text
