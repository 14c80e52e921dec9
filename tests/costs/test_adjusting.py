"""Corrections are entries of their own, booked once, in the budget that paid, and never a change of an entry."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from service import costs
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.costs.factories import ledger, spend
from tests.quotas.factories import AT, MODEL, a_funded_team, figures, set_budget, sums
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")


def adjust(team: TeamFacts | None, amount: str, *, at: datetime = AT, **facts: Any) -> costs.AdjustmentView:
    told = {"reason": "the invoice says so", "ext_ref": f"test:{uuid4().hex}", "provider": "openai"} | facts
    actor = acting_for(team) if team else CLI
    with unit_of_work(actor) as session:
        return costs.adjust(session, actor, team, costs.Adjustment(amount=Decimal(amount), **told), at=at)


def only_entry(team: TeamFacts) -> UUID:
    (entry,) = ledger(team)
    found: UUID = entry["id"]
    return found


def test_a_correction_says_what_it_corrects_and_takes_its_facts() -> None:
    team = a_funded_team(name="Before", cost_center="CC-1")
    spend(team, 1_000_000, model="ft:x")
    with unit_of_work(CLI) as session:
        session.execute(text("UPDATE teams SET name = 'After', cost_center = 'CC-2' WHERE id = :id"), {"id": team.id})
    view = adjust(team, "-1.25", corrects=only_entry(team), reason="billed too much", at=AT + timedelta(days=3))
    original, correction = ledger(team)
    same = (
        "job_id", "meter", "provider", "provider_job_id", "base_model", "model", "charged_at", "posted_on",
        "budget_month", "team_name", "cost_center", "team_slug", "currency",
    )  # fmt: skip
    assert {name: correction[name] for name in same} == {name: original[name] for name in same}
    assert (correction["kind"], correction["amount"], correction["corrects"]) == (
        "adjustment", Decimal("-1.25"), original["id"],
    )  # fmt: skip
    assert (correction["reason"], correction["booked_by"], correction["quantity"]) == ("billed too much", "test", 0)
    assert (view.corrects, view.budget_month, view.team) == (ids.show("entry", original["id"]), "2026-11", team.slug)
    assert figures(team)["spent"] == "1.75"
    assert sums(team).spent == sums(team).ledger == Decimal("1.75")


def test_without_an_entry_it_counts_in_the_teams_present_month() -> None:
    team = a_funded_team(time_zone="Asia/Tokyo")
    view = adjust(team, "12.5", at=datetime(2026, 11, 30, 18, tzinfo=UTC), base_model=MODEL)
    assert (view.budget_month, view.posted_on) == ("2026-12", date(2026, 11, 30))
    (entry,) = ledger(team)
    assert (entry["meter"], entry["base_model"], entry["job_id"]) == ("adjustment", MODEL, None)


def test_a_team_without_a_budget_is_charged_all_the_same() -> None:
    team = a_team()
    assert adjust(team, "12.5").budget_month is None
    assert [entry["amount"] for entry in ledger(team)] == [Decimal("12.5")]


def test_what_no_budget_paid_no_budget_gets_back() -> None:
    team = a_team()
    adjust(team, "12.5")
    set_budget(team, "100")
    assert adjust(team, "-12.5", corrects=only_entry(team)).budget_month is None
    assert figures(team)["spent"] == "0.00"


def test_what_belongs_to_no_team_is_adjusted_too() -> None:
    first = adjust(None, "3", ext_ref=f"test:{uuid4().hex}")
    assert (first.team, first.budget_month) == (None, None)
    with read_only(CLI) as session:
        found = session.execute(text("SELECT id, debit_account FROM ledger_entries WHERE team_id IS NULL")).all()
    assert {one.debit_account for one in found} == {"unallocated:adjustment"}
    again = adjust(None, "-3", corrects=found[-1].id)
    assert again.corrects == ids.show("entry", found[-1].id)


def test_the_same_again_is_booked_once_and_answers_the_same() -> None:
    team, ref = a_funded_team(), f"test:{uuid4().hex}"
    first = adjust(team, "2", ext_ref=ref)
    assert adjust(team, "2.00", ext_ref=ref, at=AT + timedelta(days=1)) == first
    for other in ({"amount": "3"}, {"reason": "another"}):
        with pytest.raises(costs.AlreadyBooked):
            adjust(team, **{"amount": "2", "ext_ref": ref} | other)  # type: ignore[arg-type]
    assert sums(team).spent == sums(team).ledger == 2


def test_many_at_once_book_it_once() -> None:
    team, start, ref = a_funded_team(), Barrier(6), f"test:{uuid4().hex}"
    spend(team, 1_000_000)
    entry = only_entry(team)

    def tell(_: int) -> str:
        start.wait()
        return adjust(team, "-1", ext_ref=ref, corrects=entry).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(tell, range(6)))) == 1
    assert sums(team).spent == sums(team).ledger == 2


def test_another_teams_entry_is_not_there() -> None:
    mine, other = a_funded_team(), a_funded_team()
    spend(other, 1_000_000)
    with pytest.raises(costs.UnknownEntry):
        adjust(mine, "-1", corrects=only_entry(other))
    with pytest.raises(costs.UnknownEntry):
        adjust(None, "-1", corrects=only_entry(other))


@pytest.mark.parametrize("charged_at", [AT + timedelta(seconds=1), datetime(1999, 12, 31, tzinfo=UTC)])
def test_nothing_is_charged_in_the_future_or_before_there_were_models(charged_at: datetime) -> None:
    with pytest.raises(costs.BadChargeDay):
        adjust(a_funded_team(), "1", charged_at=charged_at)


def test_every_adjustment_is_in_the_audit() -> None:
    team = a_funded_team()
    adjust(team, "2")
    with read_only(CLI) as session:
        found = session.execute(
            text("SELECT actor, after FROM audit_entries WHERE action = 'cost.adjusted' AND team_id = :id"),
            {"id": team.id},
        ).one()
    assert (found.actor, found.after["amount"]) == ("test", "2.00")
