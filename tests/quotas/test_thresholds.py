"""What is told of a month's spending, once; and tokens, which are held and spent beside money."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pytest
from sqlalchemy import text

from service import quotas
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.quotas.factories import (
    AT,
    a_funded_team,
    adjust,
    budget,
    hold,
    release,
    set_platform,
    set_terms,
    settle,
    sums,
)
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")

OCTOBER: Final = datetime(2026, 10, 20, tzinfo=UTC)
DECEMBER: Final = datetime(2026, 12, 1, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------------------- thresholds
def told(team: TeamFacts) -> list[tuple[str, int]]:
    """Events about thresholds, as they were told."""
    with read_only(CLI) as session:
        rows = session.execute(
            text("SELECT data FROM events WHERE team_id = :team AND type = 'budget.threshold_reached' ORDER BY id"),
            {"team": team.id},
        )
        return [(row.data["month"], row.data["percent"]) for row in rows]


def spend(team: TeamFacts, amount: str, *, at: datetime = AT) -> None:
    settle(team, hold(team, "0", at=at), amount)


def test_each_threshold_is_told_once_when_it_is_spent() -> None:
    team = a_funded_team("10")
    spend(team, "4.9999999999")
    assert told(team) == []
    spend(team, "0.0000000001")
    assert told(team) == [("2026-11", 50)]
    spend(team, "1")
    assert told(team) == [("2026-11", 50)]
    adjust(team, "5")
    assert told(team) == [("2026-11", 50), ("2026-11", 80), ("2026-11", 100)]
    assert budget(team).told == [50, 80, 100]


def test_what_falls_below_a_threshold_and_reaches_it_again_is_not_told_again() -> None:
    team = a_funded_team("10")
    spend(team, "6")
    adjust(team, "-7")
    assert budget(team).spent == -1
    spend(team, "7")
    assert told(team) == [("2026-11", 50)]


def test_an_earlier_months_thresholds_are_told_when_it_is_charged_later() -> None:
    team = a_funded_team("10", at=OCTOBER)
    late = hold(team, "9", at=OCTOBER)
    spend(team, "5")
    settle(team, late, "8")
    assert told(team) == [("2026-11", 50), ("2026-10", 50), ("2026-10", 80)]


def test_a_limit_that_falls_reaches_what_is_spent_already() -> None:
    team = a_funded_team("100")
    spend(team, "6")
    set_terms(team, monthly_limit="10", thresholds=[50, 60, 61])
    assert told(team) == [("2026-11", 50), ("2026-11", 60)]
    set_platform(monthly_limit="6")
    try:
        set_terms(team)
        assert told(team)[2:] == [("2026-11", 80), ("2026-11", 100)]
    finally:
        set_platform()


def test_the_platforms_limit_that_falls_reaches_what_its_teams_have_spent() -> None:
    team = a_team()
    try:
        set_platform(monthly_limit="100")
        spend(team, "6")
        set_platform(monthly_limit="10")
        assert told(team) == [("2026-11", 50)]
    finally:
        set_platform()


def test_what_is_rolled_back_was_never_told() -> None:
    team = a_funded_team("10")
    job = hold(team, "10")
    with unit_of_work(acting_for(team)) as session:
        quotas.settle(session, team.id, job, Decimal(10))
        session.rollback()
    assert told(team) == []
    settle(team, job, "5")
    assert told(team) == [("2026-11", 50)]


def test_fifty_bookings_at_once_tell_each_threshold_once() -> None:
    team = a_funded_team("50")
    jobs = [hold(team, "1") for _ in range(50)]
    with ThreadPoolExecutor(16) as crowd:
        list(crowd.map(lambda job: settle(team, job, "1"), jobs))
    assert sorted(told(team)) == [("2026-11", 50), ("2026-11", 80), ("2026-11", 100)]


def test_an_empty_list_tells_nothing_and_an_unlimited_budget_has_no_share() -> None:
    silent, free = a_team(), a_team()
    set_terms(silent, monthly_limit="10", thresholds=[])
    set_terms(free, monthly_limit="unlimited")
    spend(silent, "10")
    spend(free, "1000")
    assert told(silent) == told(free) == []


# -------------------------------------------------------------------------------------------------------------- tokens
def test_tokens_are_held_beside_money_and_settled_on_what_was_trained() -> None:
    team = a_funded_team("100")
    job = hold(team, "1", tokens=700, tokens_max=1000)
    with pytest.raises(quotas.TrainingTokensReached) as refused:
        hold(team, "1", tokens=301, tokens_max=1000)
    assert refused.value.facts == {
        "limit": "training_tokens_per_month", "value": 1000, "used": 0, "held": 700, "asked": 301,
        "resets_at": "2026-12-01T00:00:00Z", "team": team.slug,
    }  # fmt: skip
    assert (refused.value.code, refused.value.status) == ("training_tokens_reached", 403)
    hold(team, "1", tokens=0, tokens_max=1000)  # paid by the hour
    settle(team, job, "1", tokens=400)
    hold(team, "1", tokens=600, tokens_max=1000)
    with pytest.raises(quotas.TrainingTokensReached):
        hold(team, "1", tokens=1, tokens_max=1000)
    hold(team, "1", at=DECEMBER, tokens=1000, tokens_max=1000)


def test_fifty_at_once_never_hold_more_tokens_than_there_are() -> None:
    team = a_funded_team("100")

    def ask(_: int) -> bool:
        try:
            hold(team, "1", tokens=30, tokens_max=1000)
        except quotas.TrainingTokensReached:
            return False
        return True

    with ThreadPoolExecutor(50) as crowd:
        assert sum(crowd.map(ask, range(50))) == 33
    assert sums(team).held == 33


def test_releasing_gives_the_tokens_back() -> None:
    team = a_funded_team("100")
    release(team, hold(team, "1", tokens=1000, tokens_max=1000))
    hold(team, "1", tokens=1000, tokens_max=1000)
