"""What a provider bills against the ledger: every difference planted in the emulator is found and named exactly."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from service import costs
from service.cli.local import LocalStack
from service.costs.flows import read_usage, reconcile
from service.kit.db import read_only
from service.kit.identity import CLI
from service.kit.ids import show
from service.tenants import TeamFacts
from tests.costs.factories import charge, ledger
from tests.costs.metered import Organisation, a_tuned_model, an_organisation
from tests.emulator.world import Emulator
from tests.quotas.factories import MODEL, a_funded_team, figures, hold

pytestmark = pytest.mark.usefixtures("quiet")

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
TRAINING = f"{MODEL}, training_tokens"
OUTPUT = f"{MODEL}, output_tokens"


def nov(day: int) -> date:
    return date(2026, 11, day)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@pytest.fixture(scope="module")
def running_emulator(quiet: LocalStack) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def organisation(running_emulator: Emulator) -> Iterator[Organisation]:
    """One whose account is a project of its own, so that no other test's bill is told to it."""
    with an_organisation(running_emulator, project=f"proj_{uuid4().hex[:12]}") as organisation:
        yield organisation
    running_emulator.reset()


@pytest.fixture
def team() -> TeamFacts:
    return a_funded_team("1000")


def trained(organisation: Organisation, team: TeamFacts, day: date, tokens: int, **facts: Any) -> None:
    """A job in the ledger; what the provider bills is another matter."""
    job = hold(team, facts.pop("held", "50"), at=noon(day))
    charge(team, job, tokens, at=noon(day), connection_id=organisation.connection, **facts)


def billed(organisation: Organisation, day: date, tokens: int | None, **facts: Any) -> None:
    """A line of training on the bill, at the right price."""
    line = {"line_item": f"{MODEL}, training", "api_key": "key_ours", **facts}
    if tokens is not None:
        line = {"amount": str(Decimal(tokens) * 3 / 1_000_000), "quantity": str(tokens), **line}
    organisation.emulator.tell(
        "/discrepancies", kind="extra", project=organisation.project, at=noon(day).timestamp(), **line
    )


def plant(organisation: Organisation, kind: str, api_key: str, **script: Any) -> None:
    organisation.emulator.tell(
        "/discrepancies", kind=kind, project=organisation.project, api_key=api_key, **script
    )  # fmt: skip


def days(organisation: Organisation) -> dict[date, costs.ReconciliationDetail]:
    wanted = costs.DayFilter(costs.period("2026-11"), connection_id=organisation.connection)
    with read_only(CLI) as session:
        page = costs.list_reconciliations(session, wanted, after=None, limit=100)
        return {one.day: costs.show_reconciliation(session, one.id) for one in page.data}


def told(day: costs.ReconciliationDetail) -> list[tuple[str, str, str | None, Decimal]]:
    """What is open, by cause, line, key and amount; and in passing, that the parts are the whole."""
    assert sum(one.left for one in day.findings) == day.residual == day.billed - day.booked - day.adjusted
    return sorted((one.cause, one.line_item, one.api_key, one.left) for one in day.findings if one.is_open)


def mismatches(organisation: Organisation) -> list[dict[str, Any]]:
    statement = text(
        "SELECT data FROM events WHERE type = 'reconciliation.mismatch' AND data->>'connection' = :id ORDER BY id"
    )
    with read_only(CLI) as session:
        return [row.data for row in session.execute(statement, {"id": show("conn", organisation.connection)})]


def test_a_bill_that_agrees_matches_and_what_is_not_ours_stays_outside(
    organisation: Organisation, team: TeamFacts
) -> None:
    trained(organisation, team, nov(3), 1_000_000)
    trained(organisation, team, nov(3), 500_000)
    billed(organisation, nov(3), 1_500_000)
    organisation.use(a_tuned_model(team), nov(3), input_tokens=1_000, cached_input_tokens=300, output_tokens=77)
    organisation.use("gpt-4o", nov(3), input_tokens=1_000_000)
    read_usage(AT)
    reconcile(AT)
    (day,) = days(organisation).values()
    assert told(day) == []
    assert (day.state, day.outside) == ("matched", Decimal("2.5"))
    assert day.billed == day.booked > Decimal("4.5")


def test_every_planted_discrepancy_is_found_and_named_exactly(organisation: Organisation, team: TeamFacts) -> None:
    model = a_tuned_model(team)
    for day in (2, 4, 5, 6):  # 4: price drift, 5: missing, 6: another quantity; 2: nothing is wrong
        organisation.use(model, nov(day), api_key=f"key_{day}", output_tokens=1_000_000)
    plant(organisation, "drift", "key_4", factor="1.1")
    plant(organisation, "missing", "key_5")
    plant(organisation, "quantity", "key_6", factor="1.5")
    organisation.use(a_tuned_model(), nov(7), api_key="key_7", input_tokens=1_000_000, output_tokens=1_000_000)
    trained(organisation, team, nov(8), 1_000_000)  # unknown job, beside one of ours
    billed(organisation, nov(8), 1_000_000)
    billed(organisation, nov(8), 250_000, api_key="key_stranger")
    billed(organisation, nov(9), 250_000)  # unknown job, alone
    billed(organisation, nov(10), None, line_item="attic, storage", amount="0.25", api_key="key_attic")
    trained(organisation, team, nov(11), 1_000_000)  # billed the day after
    billed(organisation, nov(12), 1_000_000)
    trained(organisation, team, nov(14), 400_000, accrued=True, held="3")  # stopped, not billed
    trained(organisation, team, nov(15), 400_000, accrued=True, held="3")  # stopped, billed for more steps
    billed(organisation, nov(15), 500_000)
    organisation.use(model, nov(16), api_key="key_16", batch=True, output_tokens=1_000_000)  # no price of batches
    trained(organisation, team, nov(18), 1_000_000)  # the provider is not done telling
    read_usage(AT)
    reconcile(AT)
    found = {day.day: told(day) for day in days(organisation).values()}
    assert found == {
        nov(2): [],
        nov(4): [("price_drift", OUTPUT, "key_4", Decimal("0.12"))],
        nov(5): [("unexplained", OUTPUT, "key_5", Decimal("-1.2"))],
        nov(6): [("unexplained", OUTPUT, "key_6", Decimal("0.6"))],
        nov(7): [("unmapped_key", "", "key_7", Decimal(0))],
        nov(8): [("unknown_job", TRAINING, "key_stranger", Decimal("0.75"))],
        nov(9): [("unknown_job", TRAINING, None, Decimal("0.75"))],
        nov(10): [("unexplained", "attic, storage", "key_attic", Decimal("0.25"))],
        nov(11): [("timing", TRAINING, None, Decimal(-3))],
        nov(12): [("timing", TRAINING, None, Decimal(3))],
        nov(14): [("accrued_difference", TRAINING, None, Decimal("-1.2"))],
        nov(15): [("accrued_difference", TRAINING, None, Decimal("0.3"))],
        nov(16): [("unpriced", f"{OUTPUT}, batch", "key_16", Decimal("0.6"))],
        nov(18): [("timing", TRAINING, None, Decimal(-3))],
    }
    states = {one.day: one.state for one in days(organisation).values()}
    assert {day for day, state in states.items() if state == "timing"} == {nov(11), nov(12), nov(18)}
    assert {day for day, state in states.items() if state == "matched"} == {nov(2)}
    planted = [one.cause for day in days(organisation).values() for one in day.findings if one.cause != "timing"]
    assert sorted(one["cause"] for one in mismatches(organisation)) == sorted(planted)
    reconcile(AT)
    assert len(mismatches(organisation)) == len(planted)  # told once, however often it is found


def test_drift_and_another_quantity_on_one_line_are_told_apart(organisation: Organisation, team: TeamFacts) -> None:
    organisation.use(a_tuned_model(team), nov(4), api_key="key_4", output_tokens=1_000_000)
    plant(organisation, "drift", "key_4", factor="1.1")
    plant(organisation, "quantity", "key_4", factor="2")
    read_usage(AT)
    reconcile(AT)
    assert told(days(organisation)[nov(4)]) == [
        ("price_drift", OUTPUT, "key_4", Decimal("0.24")),
        ("unexplained", OUTPUT, "key_4", Decimal("1.2")),
    ]


def test_what_is_late_is_a_matter_of_time_until_the_provider_has_had_its_time(
    organisation: Organisation, team: TeamFacts
) -> None:
    organisation.use(a_tuned_model(team), nov(18), api_key="key_18", output_tokens=1_000_000)
    organisation.emulator.tell("/settings", costs_lag_seconds=10 * 86_400)
    read_usage(AT)
    reconcile(AT)
    assert told(days(organisation)[nov(18)]) == [("timing", OUTPUT, "key_18", Decimal("-1.2"))]
    assert mismatches(organisation) == []
    later = AT + timedelta(days=2)
    reconcile(later)
    assert told(days(organisation)[nov(18)]) == [("unexplained", OUTPUT, "key_18", Decimal("-1.2"))]
    organisation.emulator.tell("/settings", costs_lag_seconds=0)
    reconcile(later + timedelta(days=20))  # long past the days that are asked for again
    day = days(organisation)[nov(18)]
    assert told(day) == []
    assert (day.state, day.residual) == ("matched", Decimal(0))


@pytest.mark.parametrize("mode", ["steps", "nothing"])
def test_a_stopped_job_of_the_emulator_is_confirmed_or_found(
    organisation: Organisation, team: TeamFacts, mode: str
) -> None:
    emulator = organisation.emulator
    emulator.tell("/settings", stopped_jobs_billed=mode)
    project = emulator.new_project()
    emulator.tell("/keys", key=project.key, project=organisation.project)
    job = project.submit()
    emulator.advance(40)
    project.openai.fine_tuning.jobs.cancel(job)
    truth = project.truth(job)
    project.close()
    stopped = datetime.fromtimestamp(truth["cancelled_at"], UTC)
    held = hold(team, "50", at=stopped)
    charge(
        team, held, truth["trained_tokens"], at=stopped, connection_id=organisation.connection, accrued=True,
        provider_job_id=job,
    )  # fmt: skip
    (booked,) = ledger(team)
    later = stopped + timedelta(days=4)
    reconcile(later)
    reconcile(later)
    month = f"{stopped:%Y-%m}"
    with read_only(CLI) as session:
        wanted = costs.DayFilter(costs.period(month), connection_id=organisation.connection)
        (day,) = costs.list_reconciliations(session, wanted, after=None, limit=100).data
        detail = costs.show_reconciliation(session, day.id)
    if mode == "nothing":
        assert told(detail) == [("accrued_difference", TRAINING, None, -booked["amount"])]
        assert detail.findings[0].corrects == show("entry", booked["id"])
        assert ledger(team) == [booked]
        return
    assert detail.state == "matched"
    first, back, settled = ledger(team)  # once, though it was compared twice
    assert first == booked
    assert [(one["amount"], one["accrued"], one["quantity"]) for one in (back, settled)] == [
        (-booked["amount"], True, -booked["quantity"]), (booked["amount"], False, booked["quantity"]),
    ]  # fmt: skip
    for half in (back, settled):
        assert half["corrects"] == booked["id"]
        assert (half["kind"], half["budget_month"], half["posted_on"]) == (
            "training", booked["budget_month"], booked["posted_on"],
        )  # fmt: skip
        assert half["amount"] == half["quantity"] * half["unit_price"] / half["unit_quantity"]
    assert Decimal(figures(team)["spent"] or 0) == booked["amount"]


def test_amounts_that_are_floats_match_to_the_tolerance(organisation: Organisation, team: TeamFacts) -> None:
    trained(organisation, team, nov(3), 1_000_000)
    billed(organisation, nov(3), None, amount="3.000000000012", quantity="1000000")
    trained(organisation, team, nov(4), 1_000_000)
    billed(organisation, nov(4), None, amount="3.00001", quantity="1000000")
    reconcile(AT)
    assert days(organisation)[nov(3)].state == "matched"
    assert told(days(organisation)[nov(4)]) == [("price_drift", TRAINING, None, Decimal("0.00001"))]


def test_a_bill_in_another_currency_is_not_compared(organisation: Organisation) -> None:
    billed(organisation, nov(9), 1_000_000)
    organisation.emulator.tell("/settings", costs_currency="eur")
    reconcile(AT)
    assert days(organisation) == {}
    with read_only(CLI) as session:
        told = {
            one.what: one for one in costs.readings(session) if one.connection == show("conn", organisation.connection)
        }
    assert told["costs"].unavailable == "other_currency"
    assert "EUR" in str(told["costs"].message)


def test_how_far_the_bill_has_come_is_told(organisation: Organisation) -> None:
    billed(organisation, nov(9), 1)
    reconcile(AT)
    wanted = costs.DayFilter(costs.period("2026-11"))
    with read_only(CLI) as session:
        accounts = costs.list_reconciliations(session, wanted, after=None, limit=1).accounts
    connection = show("conn", organisation.connection)
    (read,) = (one for one in accounts if one.connection == connection and one.what == "costs")
    assert (read.newest_day, read.through, read.read_at, read.unavailable) == (nov(9), AT.date(), AT, None)
    others = [one for one in accounts if one.name == "default"]
    assert {one.unavailable for one in others} == {"no_admin_key"}
