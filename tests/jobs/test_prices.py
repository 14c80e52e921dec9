"""What a job may cost, and what that rests on."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from service.catalog import PriceFacts
from service.datasets import Billing, DatasetFacts, State, TokensNotCounted
from service.jobs import prices
from service.jobs.errors import MaxCostRequired
from service.jobs.prices import Quote
from tests.jobs.asking import EXACT, a_base, request

PER_EPOCH = 1_000_000  # tokens; at three dollars a million
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def data(*, examples: int = 12, truncated: int = 0) -> DatasetFacts:
    counted = Billing("o200k_base", 65_536, PER_EPOCH, 70_000 if truncated else 10, truncated, 0)
    return DatasetFacts(
        id=uuid4(), team_id=uuid4(), state=State.READY, sha256="", bytes=1, filename="", storage_key="", format="chat",
        examples=examples, warnings=0, billing=(counted,), created_at=NOON,
    )  # fmt: skip


def quoted(
    method: dict[str, Any], dataset: DatasetFacts | None = None, *, max_cost: str | None = None, share: str = "1"
) -> Quote:
    by_hour = method.get("type") == "reinforcement"
    meter, unit, amount = ("training_hours", 1, 100) if by_hour else ("training_tokens", 1_000_000, 3)
    price = PriceFacts(
        id=uuid4(), provider="p", model="base", meter=meter, unit_quantity=Decimal(unit), amount=Decimal(amount),
        currency="USD", effective_from=NOON,
    )  # fmt: skip
    return prices.quote(
        request(method=method).method, a_base(), dataset or data(), price,
        max_cost=Decimal(max_cost) if max_cost else None, share=Decimal(share),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "low", "expected", "high", "says"),
    [
        (4, 12, 12, 12, "trained 4 times, as asked"),
        (None, 24, 24, 24, "trained 8 times, our default for 12 examples"),
        ("auto", 3, 24, 75, "low is for 1, expected for our default of 8, high for 25"),
    ],
)
def test_the_range_is_as_wide_as_what_nobody_knows(
    epochs: int | str | None, low: int, expected: int, high: int, says: str
) -> None:
    quote = quoted({"hyperparameters": {"n_epochs": epochs}})
    assert [quote.low, quote.expected, quote.high] == [Decimal(one) for one in (low, expected, high)]
    assert says in quote.assumptions[0]
    assert "validation tokens are free" in quote.assumptions


def test_of_a_dataset_still_to_be_cut_the_whole_is_the_most() -> None:
    quote = quoted({"hyperparameters": {"n_epochs": 2}}, share="0.9")
    assert [quote.low, quote.expected, quote.high] == [Decimal("5.4"), Decimal("5.4"), Decimal(6)]
    assert "not made yet" in quote.assumptions[-1]


def test_what_is_cut_off_and_what_is_only_our_reading_is_said() -> None:
    assert "3 examples are cut to 65536 tokens" in quoted({}, data(truncated=3)).assumptions
    assert any("both its answers" in one for one in quoted({"type": "dpo"}).assumptions)


def test_by_the_hour_nothing_is_known_but_the_most() -> None:
    method = {"type": "reinforcement", "grader": EXACT}
    with pytest.raises(MaxCostRequired):
        quoted(method)
    quote = quoted(method, max_cost="50")
    assert [quote.low, quote.expected, quote.high, quote.epochs] == [None, None, Decimal(50), None]
    assert any("budget.max_cost" in one for one in quote.assumptions)


def test_tokens_nobody_counted_have_no_price() -> None:
    other = a_base(encoding="cl100k_base")
    with pytest.raises(TokensNotCounted):
        prices.quote(request().method, other, data(), cheap(), max_cost=None)


def cheap() -> PriceFacts:
    return PriceFacts(
        id=uuid4(), provider="p", model="base", meter="training_tokens", unit_quantity=Decimal(1), amount=Decimal(1),
        currency="USD", effective_from=NOON,
    )  # fmt: skip
