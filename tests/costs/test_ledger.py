"""What is booked, once, and never altered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from service import catalog, costs
from service.cli.local import LocalStack
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, RESOLVER, WORKER, Actor, DbRole
from tests.costs.factories import a_price, charge, charge_in, ledger, spend
from tests.quotas.factories import AT, MODEL, a_funded_team, budget, figures, hold, is_granted, sums, wait_until_blocked
from tests.tenants.factories import acting_for

pytestmark = pytest.mark.usefixtures("database")

FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")


def test_an_entry_says_everything_as_of_that_day() -> None:
    team = a_funded_team(
        name="Lighthouse", cost_center="CC-1", product="Harbour", environment="prod", time_zone="Asia/Tokyo"
    )
    job_id, price = hold(team, "10", at=datetime(2026, 10, 31, 18, tzinfo=UTC)), a_price()
    charge(team, job_id, 86_120, provider_job_id=f"ftjob-{team.slug}", model="ft:x", accrued=True, price=price)
    (entry,) = ledger(team)
    assert entry["seq"] > 0
    assert entry["recorded_at"].tzinfo is not None
    assert entry | {"id": 0, "seq": 0, "recorded_at": AT} == {
        "id": 0, "seq": 0, "recorded_at": AT, "team_id": team.id, "job_id": job_id,
        "kind": "training", "meter": "training_tokens",
        "debit_account": f"team:{team.slug}:training", "credit_account": "provider:openai",
        "amount": Decimal("0.25836"), "currency": "USD", "charged_at": AT,
        "budget_month": date(2026, 11, 1),  # the reservation's: it was November in Tokyo
        "ext_ref": f"charge:openai:ftjob-{team.slug}",
        "price_id": price.id, "unit_price": Decimal(3), "unit_quantity": Decimal(1_000_000), "quantity": 86_120,
        "posted_on": AT.date(), "list_unit_price": None, "estimated": Decimal(10), "provider": "openai",
        "connection_id": None, "provider_job_id": f"ftjob-{team.slug}", "version_id": None, "corrects": None,
        "reason": None, "booked_by": "worker",
        "base_model": MODEL, "model": "ft:x", "accrued": True,
        "description": f"Fine-tuning of {MODEL} on 86120 tokens, openai job ftjob-{team.slug}",
        "team_slug": team.slug, "team_name": "Lighthouse", "cost_center": "CC-1", "product": "Harbour",
        "environment": "prod",
    }  # fmt: skip


def test_training_paid_by_the_hour_is_booked_by_the_second_and_is_no_tokens() -> None:
    team = a_funded_team("1000")
    with read_only(CLI) as session:
        price = catalog.price(session, "openai", "o4-mini-2025-04-16", "training_hours", AT)
    assert charge(team, hold(team, "150"), 4_500, price=price) == 125
    (entry,) = ledger(team)
    assert (entry["meter"], entry["quantity"], entry["unit_price"], entry["unit_quantity"]) == (
        "training_hours", 4_500, Decimal(100), Decimal(3_600),
    )  # fmt: skip
    assert entry["amount"] == entry["quantity"] * entry["unit_price"] / entry["unit_quantity"]
    assert "for 4500 seconds" in entry["description"]
    with read_only(acting_for(team)) as session:
        wanted = costs.reports.Asked(
            span=costs.reports.span(None, None, None, at=AT), group_by=("job",), team_id=team.id
        )
        assert costs.reports.report(session, wanted).total[-1] == 0


def test_a_charge_settles_what_was_held() -> None:
    team = a_funded_team("10")
    assert charge(team, hold(team, "6"), 500_000) == Decimal("1.5")
    assert figures(team) == {"limit": "10.00", "spent": "1.50", "held": "0.00", "left": "8.50"}


def test_a_bill_beside_a_jobs_own_leaves_what_is_held_for_it() -> None:
    team = a_funded_team("10")
    job_id = hold(team, "6")
    assert charge(team, job_id, 0, beside=True) == 0
    assert charge(team, job_id, 500_000, beside=True) == Decimal("1.5")
    assert figures(team) == {"limit": "10.00", "spent": "1.50", "held": "6.00", "left": "2.50"}
    assert charge(team, job_id, 1_000_000) == 3
    assert figures(team) == {"limit": "10.00", "spent": "4.50", "held": "0.00", "left": "5.50"}
    assert charge(team, job_id, 500_000, beside=True) == Decimal("1.5")
    seen = sums(team)
    assert (seen.reserved, seen.held) == (Decimal(0), Decimal(0))
    assert seen.spent == seen.settled == seen.ledger == 6


def test_a_charge_told_twice_is_booked_once_and_answers_the_same() -> None:
    team = a_funded_team("10")
    job_id = hold(team, "6")
    first = charge(team, job_id, 500_000, provider_job_id=f"twice-{team.slug}")
    again = charge(team, job_id, 999_999, provider_job_id=f"twice-{team.slug}")
    assert first == again == Decimal("1.5")
    assert [entry["quantity"] for entry in ledger(team)] == [500_000]
    assert budget(team).spent == Decimal("1.5")


def test_a_charge_told_by_many_at_once_is_booked_once() -> None:
    team, start = a_funded_team("10"), Barrier(8)
    job_id, price = hold(team, "6"), a_price()

    def tell(_: int) -> Decimal:
        start.wait()
        return charge(team, job_id, 500_000, provider_job_id=f"many-{team.slug}", price=price)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(tell, range(8))) == {Decimal("1.5")}
    assert len(ledger(team)) == 1
    assert sums(team).spent == sums(team).ledger == Decimal("1.5")


def test_a_charge_told_while_the_first_is_being_booked_waits_for_it() -> None:
    team = a_funded_team("10")
    job_id, told = hold(team, "6"), {"provider_job_id": f"waits-{team.slug}", "price": a_price()}
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            first = charge_in(session, team, job_id, 500_000, **told)
            again = pool.submit(charge, team, job_id, 500_000, **told)
            wait_until_blocked(again)
        assert again.result(timeout=5) == first
    assert sums(team).spent == sums(team).ledger == first


def test_two_provider_jobs_of_one_job_are_two_bills() -> None:
    team = a_funded_team("10")
    job_id = hold(team, "6")
    charge(team, job_id, 500_000), charge(team, job_id, 100_000, model=None)
    assert [entry["amount"] for entry in ledger(team)] == [Decimal("1.5"), Decimal("0.3")]
    assert figures(team) == {"limit": "10.00", "spent": "1.80", "held": "0.00", "left": "8.20"}


def test_nothing_trained_is_nothing_booked_and_gives_the_money_back() -> None:
    team = a_funded_team("10")
    assert charge(team, hold(team, "6"), 0) == 0
    assert ledger(team) == []
    assert figures(team) == {"limit": "10.00", "spent": "0.00", "held": "0.00", "left": "10.00"}


def test_a_bill_above_what_was_held_is_booked_and_blocks_new_grants() -> None:
    team = a_funded_team("10")
    charge(team, hold(team, "6"), 4_000_000)
    assert sums(team).ledger == sums(team).spent == 12
    assert not is_granted(team, "0.01")


def test_a_charge_needs_a_provider_job() -> None:
    team = a_funded_team()
    with pytest.raises(ValueError, match="no provider job"):
        charge(team, hold(team, "1"), 1, provider_job_id="")


def test_a_charge_that_fails_later_in_its_transaction_leaves_nothing() -> None:
    team = a_funded_team()
    job_id = hold(team, "6")

    def charge_and_fail() -> None:
        with unit_of_work(acting_for(team)) as session:
            charge_in(session, team, job_id, 500_000, provider_job_id=f"lost-{team.slug}")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        charge_and_fail()
    assert ledger(team) == []
    assert sums(team).held == sums(team).reserved == 6
    assert charge(team, job_id, 500_000, provider_job_id=f"lost-{team.slug}") == Decimal("1.5")


_COPY = """
    INSERT INTO ledger_entries OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(entry, jsonb_build_object('id', CAST(:id AS uuid), 'seq', -1,
        'team_id', CAST(:team AS uuid),
        'job_id', CAST(:job AS uuid), 'ext_ref', coalesce(CAST(:ref AS text), entry.ext_ref)))).*
    FROM ledger_entries entry WHERE team_id = :source
"""


def test_no_bill_is_booked_twice_even_by_hand() -> None:
    team = a_funded_team()
    spend(team, 1000)
    (entry,) = ledger(team)
    values = {"id": ids.new_id(), "team": team.id, "job": entry["job_id"], "ref": None, "source": team.id}
    with pytest.raises(IntegrityError, match="ext_ref"), unit_of_work(acting_for(team)) as session:
        session.execute(text(_COPY), values)


def test_no_bill_of_one_team_is_booked_in_another() -> None:
    mine, other = a_funded_team(), a_funded_team()
    spend(mine, 1000, provider_job_id=f"shared-{mine.slug}")
    with pytest.raises(IntegrityError, match="ext_ref"):
        spend(other, 1000, provider_job_id=f"shared-{mine.slug}")
    assert ledger(other) == []
    assert sums(other).spent == 0


def test_an_entry_belongs_to_a_job_of_its_team() -> None:
    mine, other = a_funded_team(), a_funded_team()
    spend(mine, 1000)
    values = {"id": ids.new_id(), "team": mine.id, "job": hold(other, "1"), "ref": uuid4().hex, "source": mine.id}
    with pytest.raises(IntegrityError, match="job_id"), unit_of_work(acting_for(mine)) as session:
        session.execute(text(_COPY), values)


_REWRITINGS = [
    "UPDATE ledger_entries SET amount = 0",
    "DELETE FROM ledger_entries",
    "TRUNCATE ledger_entries",
    "INSERT INTO ledger_entries (id) VALUES (gen_random_uuid()) ON CONFLICT (ext_ref) DO UPDATE SET amount = 0",
]


@pytest.mark.parametrize("change", _REWRITINGS)
def test_no_role_may_rewrite_the_ledger(change: str) -> None:
    team = a_funded_team()
    spend(team, 1000)
    for actor in (acting_for(team), CLI, FINANCE, WORKER, AUTH, RESOLVER):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(actor) as session:
            session.execute(text(change))


@pytest.mark.parametrize("who", ["tp_owner", "postgres"])
@pytest.mark.parametrize(
    "change",
    [
        *_REWRITINGS[:3],
        "TRUNCATE teams CASCADE",
        "UPDATE prices SET amount = 0",
        "DELETE FROM prices",
        "TRUNCATE prices CASCADE",
    ],
)
def test_not_even_the_owner_rewrites_history(database: LocalStack, who: str, change: str) -> None:
    spend(a_funded_team(), 1000)
    url = database.postgres.url(database.database).replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        for table in ("ledger_entries", "prices"):
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # or the owner would see no rows
        connection.execute(f"SET ROLE {who}")
        with pytest.raises(psycopg.errors.RestrictViolation, match="is append-only"):
            connection.execute(change)
        connection.rollback()


_tokens = st.lists(st.integers(1, 10**9), min_size=1, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(_tokens)
def test_the_ledger_is_what_was_spent_and_each_amount_is_its_quantity_at_its_price(bills: list[int]) -> None:
    team = a_funded_team("9999999999")
    for tokens in bills:
        spend(team, tokens, held="0.0000000001")
    entries = ledger(team)
    assert [entry["quantity"] for entry in entries] == bills
    for entry in entries:
        assert entry["amount"] * entry["unit_quantity"] == entry["quantity"] * entry["unit_price"]
    assert sums(team).spent == sums(team).settled == sum(entry["amount"] for entry in entries)
