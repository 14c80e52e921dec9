"""What each verb does to a team's month."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, NoResultFound

from service import quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.quotas.factories import (
    AT,
    MODEL,
    a_funded_team,
    budget,
    figures,
    hold,
    is_granted,
    release,
    set_budget,
    settle,
    sums,
)
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")


def test_what_is_held_is_no_longer_left() -> None:
    team = a_funded_team("100", time_zone="Europe/Berlin")
    hold(team, "30.0000000001")
    assert figures(team) == {"limit": "100.00", "spent": "0.00", "held": "30.0000000001", "left": "69.9999999999"}
    seen = budget(team)
    assert (seen.team, seen.month, seen.currency) == (team.slug, "2026-11", "USD")
    assert seen.resets_at == datetime(2026, 11, 30, 23, tzinfo=UTC)


def test_the_last_bit_of_a_budget_can_be_granted_but_not_a_bit_more() -> None:
    team = a_funded_team("10")
    assert not is_granted(team, "10.0000000001")
    assert is_granted(team, "9.9999999999")
    assert not is_granted(team, "0.0000000002")
    assert is_granted(team, "0.0000000001")
    assert is_granted(team, "0")


def test_a_refusal_tells_the_whole_story_and_holds_nothing() -> None:
    team = a_funded_team("10")
    settle(team, hold(team, "2"), "1.5")
    hold(team, "8.25")
    with pytest.raises(quotas.BudgetExceeded) as refused:
        hold(team, "0.26")
    assert refused.value.facts == {
        "asked": "0.26", "limit": "10.00", "spent": "1.50", "held": "8.25", "left": "0.25", "currency": "USD",
        "resets_at": "2026-12-01T00:00:00Z",
    }  # fmt: skip
    assert (refused.value.code, refused.value.status) == ("budget_exceeded", 403)
    assert refused.value.message == (
        "This needs 0.26 USD, but 0.25 are left of 10.00: 1.50 are spent, 8.25 held for jobs under way. "
        "The budget resets at 2026-12-01T00:00:00Z. Ask for more with POST /v1/budget-requests."
    )
    assert sums(team).held == Decimal("8.25")


def test_a_caller_may_go_on_after_a_refusal() -> None:
    team = a_funded_team("10")
    with unit_of_work(acting_for(team)) as session:
        with pytest.raises(quotas.BudgetExceeded):
            quotas.reserve(session, team, ids.new_id(), Decimal(11), base_model=MODEL, at=AT)
        quotas.reserve(session, team, ids.new_id(), Decimal(10), base_model=MODEL, at=AT)
    assert sums(team).reserved == sums(team).held == 10


def test_without_a_budget_nothing_may_be_spent() -> None:
    team = a_team()
    with pytest.raises(quotas.BudgetExceeded) as refused:
        hold(team, "0.01")
    assert refused.value.message.startswith("This needs 0.01 USD, but the team has no budget")
    assert figures(team) == {"limit": None, "spent": "0.00", "held": "0.00", "left": "0.00"}


def test_a_job_is_granted_once() -> None:
    team = a_funded_team()
    job_id = hold(team, "1")
    with pytest.raises(IntegrityError):
        hold(team, "1", job_id=job_id)
    assert sums(team).held == sums(team).reserved == 1


def test_a_negative_amount_is_a_programming_error() -> None:
    team = a_funded_team()
    with pytest.raises(ValueError, match="cannot hold"):
        hold(team, "-1")


def test_settling_spends_what_it_cost_and_frees_the_rest() -> None:
    team = a_funded_team("10")
    assert settle(team, hold(team, "6"), "2.5") == quotas.Settlement(date(2026, 11, 1), overrun=False)
    assert figures(team) == {"limit": "10.00", "spent": "2.50", "held": "0.00", "left": "7.50"}


def test_a_bill_above_its_reservation_is_booked_and_blocks_new_grants() -> None:
    team = a_funded_team("10")
    assert settle(team, hold(team, "6"), "12").overrun
    assert figures(team) == {"limit": "10.00", "spent": "12.00", "held": "0.00", "left": "0.00"}
    assert not is_granted(team, "0.0000000001")


def test_releasing_gives_back_once() -> None:
    team = a_funded_team("10")
    other, job_id = hold(team, "3"), hold(team, "6")
    release(team, job_id)
    release(team, job_id)
    assert budget(team).held == 3
    settle(team, other, "3")
    release(team, other)
    release(team, ids.new_id())  # a job that never held anything
    assert figures(team) == {"limit": "10.00", "spent": "3.00", "held": "0.00", "left": "7.00"}


@pytest.mark.parametrize("end", [release, lambda team, job_id: settle(team, job_id, "2")])
def test_a_bill_that_comes_after_the_end_still_counts(end: Callable[[TeamFacts, UUID], object]) -> None:
    team = a_funded_team("10")
    job_id = hold(team, "3")
    end(team, job_id)
    before = budget(team).spent
    assert settle(team, job_id, "1.25").overrun
    assert budget(team).spent == before + Decimal("1.25")
    assert budget(team).held == 0


def test_there_is_no_settling_without_a_reservation() -> None:
    team = a_funded_team()
    with pytest.raises(NoResultFound):
        settle(team, ids.new_id(), "1")


def test_a_month_is_the_teams_own_and_each_starts_afresh() -> None:
    team = a_funded_team("10", time_zone="Europe/Berlin")
    november = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)
    december = november + timedelta(hours=1)
    assert is_granted(team, "10", at=november)
    assert not is_granted(team, "1", at=november)
    settle(team, hold(team, "4", at=december), "4")
    assert figures(team, at=november) == {"limit": "10.00", "spent": "0.00", "held": "10.00", "left": "0.00"}
    assert figures(team, at=december) == {"limit": "10.00", "spent": "4.00", "held": "0.00", "left": "6.00"}
    assert budget(team, at=december).month == "2026-12"


def test_a_new_limit_counts_for_this_month_and_later_ones() -> None:
    october, january = datetime(2026, 10, 5, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC)
    team = a_funded_team("10", at=october)
    for opened in (october, AT, january):
        hold(team, "1", at=opened)
    set_budget(team, "20")
    assert budget(team, at=october).limit == 10
    assert {budget(team, at=AT + timedelta(days)).limit for days in (0, 11, 45, 400)} == {20}


def test_a_limit_below_what_is_spent_stops_grants_until_it_is_raised() -> None:
    team = a_funded_team("100")
    settle(team, hold(team, "50"), "50")
    under_way = hold(team, "20")
    set_budget(team, "10")
    assert figures(team) == {"limit": "10.00", "spent": "50.00", "held": "20.00", "left": "0.00"}
    assert not is_granted(team, "0.01")
    settle(team, under_way, "20")
    set_budget(team, "71")
    assert is_granted(team, "1")
    assert not is_granted(team, "0.01")


def test_setting_a_budget_is_on_record() -> None:
    team = a_team()
    set_budget(team, "500.50")
    set_budget(team, "0")
    entries = text(
        'SELECT actor, object_id, "before", "after" FROM audit_entries '
        "WHERE team_id = :team AND action = 'budget.set' ORDER BY id"
    )
    with read_only(CLI) as session:
        seen = [tuple(row) for row in session.execute(entries, {"team": team.id})]
    shown = ids.show("team", team.id)
    assert seen == [
        ("cli", shown, None, {"monthly_limit": "500.50"}),
        ("cli", shown, {"monthly_limit": "500.50"}, {"monthly_limit": "0.00"}),
    ]
