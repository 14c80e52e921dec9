"""Entries of every kind, written by the one way in."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text

from service.catalog import PriceFacts
from service.costs import posting
from service.costs.posting import Posting
from service.kit import ids, money
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.tenants.factories import acting_for

FIRST: Final = datetime(2031, 1, 1, tzinfo=UTC)


def book(team: TeamFacts | None, price: PriceFacts, *, at: datetime | None = None, **facts: Any) -> None:
    """One entry; by default a settled training on a million tokens at the beginning of 2031."""
    told: dict[str, Any] = {
        "kind": "training", "meter": "training_tokens", "amount": Decimal(3), "charged_at": FIRST, "provider": "openai",
        "ext_ref": f"test:{ids.new_id()}", "description": "A test", "quantity": 1_000_000, "price": price,
        "base_model": "gpt-4o-mini-2024-07-18", "model": None,
    }  # fmt: skip
    entry = Posting(**told | facts)
    with unit_of_work(acting_for(team) if team else CLI) as session:
        posting.post(session, team, entry, at=at or entry.charged_at)


def book_anything(teams: list[TeamFacts | None], price: PriceFacts, chance: random.Random) -> None:
    """An entry of any kind on any day of the first ninety of 2031."""
    kind = chance.choice(["training", "inference", "adjustment"])
    meter = {
        "training": chance.choice(["training_tokens", "training_hours"]),
        "inference": chance.choice(["input_tokens", "output_tokens"]),
        "adjustment": "adjustment",
    }[kind]
    sign = chance.choice([1, -1]) if kind == "adjustment" else 1
    book(
        chance.choice(teams),
        price,
        kind=kind,
        meter=meter,
        amount=money.amount(sign * Decimal(chance.randrange(1, 10**15)) / 10**10),
        charged_at=FIRST + timedelta(hours=chance.randrange(24 * 90)),
        quantity=chance.randrange(10**6),
        estimated=Decimal(chance.randrange(100)) / 7 if kind == "training" else money.ZERO,
        accrued=chance.random() < 0.3,
        base_model=chance.choice([None, "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14"]),
        model=chance.choice([None, "ft:a", "ft:b"]),
        provider=chance.choice(["openai", "emulator"]),
    )


def whole_ledger() -> list[dict[str, Any]]:
    """Every entry there is."""
    with read_only(CLI) as session:
        return [dict(row) for row in session.execute(text("SELECT * FROM ledger_entries")).mappings()]
