"""The catalog in Postgres: what is loaded, what a price is on a day, and that none is ever altered."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import catalog
from service.catalog import seed
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, Actor, DbRole
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DEVDAY = datetime(2023, 11, 6, tzinfo=UTC)
FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")


def book() -> list[Any]:
    with read_only(CLI) as session:
        rows = session.execute(text("SELECT p::text FROM prices p UNION ALL SELECT b::text FROM base_models b"))
        return sorted(rows.scalars())


def test_loading_the_seed_again_changes_nothing() -> None:
    before = book()
    with unit_of_work(CLI) as session:
        catalog.load_seed(session)
    assert book() == before


def test_the_seed_cannot_alter_a_price_that_may_have_been_charged() -> None:
    offers = seed.offers()
    offers[0].prices[0]["amount"] += Decimal("0.01")
    before = book()
    with pytest.raises(catalog.PriceChanged), unit_of_work(CLI) as session:
        catalog.load_seed(session, offers)
    assert book() == before


def test_a_price_counts_from_its_first_instant_until_the_next() -> None:
    def amount(at: datetime) -> Decimal:
        with read_only(CLI) as session:
            return catalog.price(session, "openai", "gpt-3.5-turbo-0613", "output_tokens", at).amount

    assert amount(DEVDAY - timedelta(microseconds=1)) == 16
    assert amount(DEVDAY) == 6
    assert amount(AT) == 6


@pytest.mark.parametrize(
    ("model", "meter", "at"),
    [
        ("o4-mini-2025-04-16", "training_tokens", AT),  # it is priced by the hour
        ("gpt-6-luna", "training_tokens", AT),
        ("gpt-3.5-turbo-0613", "training_tokens", datetime(2023, 1, 1, tzinfo=UTC)),
        ("no-such-model", "training_tokens", AT),
    ],
)
def test_an_unknown_price_is_said_to_be_unknown(model: str, meter: str, at: datetime) -> None:
    with read_only(CLI) as session, pytest.raises(catalog.PriceUnknown) as unknown:
        catalog.price(session, "openai", model, meter, at)
    assert model in unknown.value.message
    assert "training tokens" in unknown.value.message


def test_the_id_of_a_price_freezes_it() -> None:
    with read_only(CLI) as session:
        price = catalog.price(session, "openai", "gpt-4o-mini-2024-07-18", "training_tokens", AT)
        assert catalog.price_by_id(session, price.id) == price
    assert (price.amount, price.unit_quantity, price.currency) == (Decimal(3), Decimal(1_000_000), "USD")


def test_prices_are_those_in_force_each_meter_once() -> None:
    with read_only(CLI) as session:
        now = catalog.prices(session, AT, provider="openai")
        launched = catalog.prices(session, DEVDAY - timedelta(days=1), model="gpt-3.5-turbo-0613")
    assert len({(one.model, one.meter) for one in now}) == len(now) == 54
    assert {one.amount for one in launched} == {8, 12, 16}


def test_a_job_may_name_an_undated_model() -> None:
    with read_only(CLI) as session:
        assert catalog.base_model(session, "openai", "gpt-4o-mini").id == "gpt-4o-mini-2024-07-18"
        assert catalog.trainable(session, "openai", "gpt-4.1-mini", AT, method="dpo").id == "gpt-4.1-mini-2025-04-14"
        assert [one.id for one in catalog.trainable_models(session, "emulator", AT)] == [
            "gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18",
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["gpt-9", "", "ft:gpt-4o-mini-2024-07-18:acme::abcd1234", "GPT-4O", "a\x00b"])
def test_an_unknown_model_is_blamed_on_its_field(name: str) -> None:
    with read_only(CLI) as session:
        with pytest.raises(catalog.UnknownBaseModel):
            catalog.base_model(session, "openai", name)
        with pytest.raises(catalog.UnknownBaseModel) as unknown:
            catalog.trainable(session, "openai", name, AT)
    assert unknown.value.pointer == "#/model"
    assert "supervised fine-tuning takes gpt-4.1-2025-04-14" in unknown.value.message


def test_the_list_says_of_each_model_whether_and_why_not() -> None:
    with read_only(CLI) as session:
        shown = {one.id: one for one in catalog.list_base_models(session, AT, provider="openai")}
    assert shown["gpt-4o-2024-08-06"].trainable
    assert shown["gpt-4o-2024-08-06"].why_not is None
    assert shown["ada"].why_not == "ada was retired on 2024-01-04; train gpt-4o-mini-2024-07-18 instead."
    assert {price.meter: price.amount for price in shown["gpt-4.1-mini-2025-04-14"].prices} == {
        "training_tokens": 5, "input_tokens": Decimal("0.8"), "cached_input_tokens": Decimal("0.2"),
        "output_tokens": Decimal("3.2"),
    }  # fmt: skip


@pytest.mark.parametrize("change", ["UPDATE prices SET amount = 0", "DELETE FROM prices", "TRUNCATE prices CASCADE"])
def test_nobody_alters_a_price(change: str) -> None:
    for actor in (acting_for(a_team()), FINANCE, CLI):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(actor) as session:
            session.execute(text(change))


@pytest.mark.parametrize("table", ["prices", "base_models"])
def test_only_operators_and_finance_for_prices_add_to_the_catalog(table: str) -> None:
    for actor in (acting_for(a_team()), *((FINANCE,) if table == "base_models" else ())):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(actor) as session:
            session.execute(text(f"INSERT INTO {table} DEFAULT VALUES"))
