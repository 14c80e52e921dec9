"""A closed October and an open November with everything that can be in a ledger."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import pyarrow.parquet as pq
from pydantic import SecretStr
from sqlalchemy import text

from service import catalog, connections, costs
from service.costs import posting
from service.costs.posting import Posting
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.tables import WRITERS
from service.tenants import TeamFacts
from tests.costs.books import AFTER, AUGUST, FINANCE, NOVEMBER, OCTOBER, close, month
from tests.costs.factories import charge, ledger
from tests.costs.test_adjusting import adjust
from tests.quotas.factories import MODEL, a_funded_team, hold
from tests.tenants.factories import acting_for

HOURLY: Final = "o4-mini-2025-04-16"
VERSION: Final = UUID("01a1fa7c-9b55-71fe-98cf-282809967fa1")


@dataclass(frozen=True)
class World:
    """Teams by what became of them, and the account all is billed to."""

    renamed: TeamFacts
    plain: TeamFacts
    connection: UUID


def an_account(organisation: str | None) -> UUID:
    with unit_of_work(CLI) as session:
        made = connections.create(
            session, CLI, name=f"account-{uuid4().hex[:8]}", kind=connections.Kind.OPENAI, provider="openai",
            base_url="https://api.openai.com/v1", api_key=SecretStr("sk-none"), organisation=organisation,
        )  # fmt: skip
        return made.id


def a_world() -> World:
    """Training by token and by the hour, inference, what is nobody's, corrections before and after closing."""
    renamed = a_funded_team("10000", name="Before", cost_center="CC-1", product="Chat", environment="prod", at=AUGUST)
    plain = a_funded_team("10000", name='Ünï "quoted", plain', at=AUGUST)
    world = World(renamed, plain, an_account("org-acme"))
    _train(world, renamed, 86_121, OCTOBER)
    late = hold(plain, "10", at=OCTOBER)
    with unit_of_work(CLI) as session:
        session.execute(
            text("UPDATE teams SET name = 'After', cost_center = 'CC-2' WHERE id = :id"), {"id": renamed.id}
        )
    (first,) = ledger(renamed)
    adjust(renamed, "-0.1", corrects=first["id"], reason="credit note", at=AFTER)  # while October is open
    close("2026-10")
    charge(plain, late, 1_000_003, at=OCTOBER, connection_id=world.connection)  # comes too late
    adjust(renamed, "-0.05", corrects=first["id"], reason="another credit note", at=AFTER)
    now = TeamFacts(**{name: getattr(renamed, name) for name in TeamFacts.__dataclass_fields__} | {"name": "After"})
    _train(world, now, 333_333, NOVEMBER)
    _train(world, plain, 4_501, NOVEMBER, price=priced(HOURLY, "training_hours"), base_model=HOURLY, model=None)
    _train(world, plain, 7, NOVEMBER, accrued=True)
    _use(world, plain)
    with unit_of_work(CLI) as session:
        posting.post(session, None, _inference(world, "input_tokens", 1_234_567, version=None), at=AFTER)
    adjust(None, "3.5", reason="a key nobody knows", at=AFTER)
    adjust(plain, "12.25", reason="support contract", at=AFTER, connection_id=an_account(None))
    return world


def priced(model: str, meter: str, tier: str = "standard") -> catalog.PriceFacts:
    with read_only(CLI) as session:
        return catalog.price(session, "openai", model, meter, NOVEMBER, tier=tier)


def entries() -> list[dict[str, Any]]:
    """The whole ledger."""
    with read_only(CLI) as session:
        found = session.execute(text("SELECT * FROM ledger_entries ORDER BY posted_on, id"))
        return [dict(row) for row in found.mappings()]


def _train(world: World, team: TeamFacts, quantity: int, at: datetime, **facts: Any) -> None:
    charge(team, hold(team, "200", at=at), quantity, at=at, connection_id=world.connection, **facts)


def _use(world: World, team: TeamFacts) -> None:
    """A day's inference, then less of it: the provider corrected itself. Output at a contract's price, of a tier."""
    with unit_of_work(CLI) as session:
        catalog.add_price(
            session, CLI,
            catalog.PriceCreate(
                provider="openai", model=MODEL, meter="output_tokens", tier="developer", amount="1.0000000001",
                list_amount="1.2", effective_from=datetime(2026, 1, 1, tzinfo=UTC),
            ),
            at=AFTER,
        )  # fmt: skip
    contract = priced(MODEL, "output_tokens", "developer")
    told = [
        _inference(world, "input_tokens", 1_000_001), _inference(world, "cached_input_tokens", 33),
        _inference(world, "output_tokens", 777_777, price=contract), _inference(world, "input_tokens", -5),
    ]  # fmt: skip
    with unit_of_work(acting_for(team)) as session:
        for one in told:
            posting.post(session, team, one, at=AFTER)


def _inference(
    world: World, meter: str, quantity: int, *, price: catalog.PriceFacts | None = None, version: UUID | None = VERSION
) -> Posting:
    price = price or priced(MODEL, meter)
    amount = costs.quote(price, abs(quantity)) * (1 if quantity > 0 else -1)
    return Posting(
        kind="inference", meter=meter, amount=amount, charged_at=NOVEMBER - timedelta(hours=12), provider="openai",
        ext_ref=f"usage:{ids.new_id()}", description=f"Inference: {quantity} {meter}", quantity=quantity, price=price,
        connection_id=world.connection, base_model=MODEL, model=f"ft:{MODEL}:acme::tuned", version_id=version,
    )  # fmt: skip


def cost_of(rows: list[dict[str, Any]]) -> Decimal:
    return sum((row["BilledCost"] for row in rows), Decimal(0))


def export(period: str, form: str = "parquet", version: costs.focus.Version = "1.4") -> bytes:
    with unit_of_work(FINANCE) as session:
        begun = costs.focus.begin(session, month(period), version)
    with read_only(FINANCE) as session:
        page = costs.focus.page(session, begun, None)
    assert page.after is None
    return b"".join(WRITERS[form]([one.column for one in begun.columns], [page.rows]))


def from_parquet(period: str, version: costs.focus.Version = "1.4") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(export(period, version=version))).to_pylist()
    return found


def from_csv(period: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(period, "csv").decode(), newline="")))
