"""More budget: asked for, granted, used, and taken back exactly when it expires."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import text

from service import quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.quotas import BudgetAsk, BudgetGrant, BudgetRequestView
from service.tenants import TeamFacts
from tests.quotas.factories import (
    AT,
    MODEL,
    a_funded_team,
    budget,
    figures,
    hold,
    is_granted,
    set_platform,
    set_terms,
    settle,
    shown,
    wait_until_blocked,
)
from tests.quotas.test_thresholds import told
from tests.stack import Client, Team
from tests.tenants.factories import a_team, acting_for

HOUR: Final = timedelta(hours=1)
ENDS: Final = datetime(2026, 12, 1, tzinfo=UTC)


def ask(team: TeamFacts, amount: str = "20", *, at: datetime = AT) -> str:
    with unit_of_work(acting_for(team)) as session:
        return quotas.ask_for_budget(
            session, acting_for(team), team, BudgetAsk(amount=amount, reason="More."), at=at
        ).id


def approve(request: str, *, at: datetime = AT, **grant: Any) -> BudgetRequestView:
    with unit_of_work(CLI) as session:
        return quotas.approve_budget(session, CLI, request, BudgetGrant(**grant), at=at)


def grant(team: TeamFacts, amount: str, *, at: datetime = AT, until: datetime = ENDS) -> BudgetRequestView:
    return approve(ask(team, amount, at=at), at=at, expires_at=until)


def withdraw(team: TeamFacts, request: str, *, at: datetime = AT) -> BudgetRequestView:
    with unit_of_work(acting_for(team)) as session:
        return quotas.withdraw_budget(session, acting_for(team), request, at=at)


def decline(request: str, *, at: datetime = AT) -> BudgetRequestView:
    with unit_of_work(CLI) as session:
        return quotas.decline_budget(session, CLI, request, note="No.", at=at)


@pytest.mark.usefixtures("database")
def test_what_is_granted_may_be_spent_this_month_and_not_the_next() -> None:
    team = a_funded_team("10", time_zone="Asia/Tokyo")
    made = approve(ask(team))
    assert made.grant is not None
    assert made.state == "approved"
    assert (made.grant.month, made.grant.amount) == ("2026-11", Decimal(20))
    assert made.grant.expires_at == datetime(2026, 11, 30, 15, tzinfo=UTC)  # midnight in Tokyo
    assert shown(team, "limit", "base", "granted", "left") == ("30.00", "10.00", "20.00", "30.00")
    assert is_granted(team, "30")
    assert not is_granted(team, "10.01", at=ENDS)


@pytest.mark.usefixtures("database")
def test_a_grant_is_there_to_its_last_instant_and_never_after() -> None:
    team = a_funded_team("10")
    until = AT + HOUR
    grant(team, "5", until=until)
    instant = timedelta(microseconds=1)
    assert is_granted(team, "11", at=until - instant)
    assert figures(team, at=until) == {"limit": "10.00", "spent": "0.00", "held": "11.00", "left": "0.00"}
    assert not is_granted(team, "1", at=until)
    assert not is_granted(team, "0.0000000001", at=until + HOUR)


@pytest.mark.usefixtures("database")
def test_of_two_grants_each_ends_at_its_own_time() -> None:
    team = a_funded_team("10")
    grant(team, "5", until=AT + HOUR)
    grant(team, "7", until=AT + 2 * HOUR)
    assert not is_granted(team, "22.01")
    assert is_granted(team, "17", at=AT + HOUR)  # of 10 and 7
    assert not is_granted(team, "0.01", at=AT + HOUR)
    assert shown(team, "limit", "granted", at=AT + HOUR) == ("17.00", "7.00")
    assert shown(team, "limit", "granted", at=AT + 2 * HOUR) == ("10.00", "0.00")


@pytest.mark.usefixtures("database")
def test_what_expires_lets_a_threshold_be_reached() -> None:
    team = a_funded_team("10")
    grant(team, "10", until=AT + HOUR)
    settle(team, hold(team, "9"), "9")
    assert told(team) == []
    assert is_granted(team, "0", at=AT + HOUR)
    assert told(team) == [("2026-11", 50), ("2026-11", 80)]


@pytest.mark.usefixtures("database")
def test_what_was_granted_is_not_carried_into_the_next_month() -> None:
    team = a_team()
    set_terms(team, monthly_limit="10", rollover_max="unlimited")
    grant(team, "50")
    hold(team, "4")
    assert shown(team, "carried", at=ENDS) == ("6.00",)


@pytest.mark.usefixtures("database")
def test_a_team_without_a_budget_is_granted_one_for_the_month() -> None:
    team = a_team()
    grant(team, "5")
    assert is_granted(team, "5")
    assert not is_granted(team, "1", at=ENDS)


@pytest.mark.usefixtures("database")
def test_a_grant_approved_while_somebody_reserves_is_there_for_the_next() -> None:
    team = a_funded_team("10")
    request = ask(team, "5")
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            quotas.reserve(session, team, ids.new_id(), Decimal(10), base_model=MODEL, at=AT)
            approving = pool.submit(approve, request)
            wait_until_blocked(approving)
        approving.result(timeout=5)
    assert is_granted(team, "5")


def set_platform_reading_all() -> None:
    """In the table's own order, as Postgres chooses to where there are many months."""
    with unit_of_work(CLI) as session:
        for way in ("indexscan", "bitmapscan", "indexonlyscan"):
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        quotas.set_platform_budget(session, CLI, quotas.BudgetSet(monthly_limit="50"), at=AT)


@pytest.mark.usefixtures("database")
def test_the_platforms_budget_and_expired_grants_take_teams_in_one_order() -> None:
    """Both change many teams' months in one transaction: whoever came from the other end would wait in a circle."""
    first, second = sorted((a_team(), a_team()), key=lambda team: team.id)
    try:
        set_platform(monthly_limit="100")
        for team in (second, first):  # in the table the other way round
            hold(team, "1")
        with ThreadPoolExecutor(1) as pool:
            with unit_of_work(CLI) as session:
                lock = text("SELECT 1 FROM budget_months WHERE team_id = :id FOR UPDATE NOWAIT")
                session.execute(lock, {"id": first.id})
                setting = pool.submit(set_platform_reading_all)
                wait_until_blocked(setting)
                session.execute(lock, {"id": second.id})
            setting.result(timeout=5)
    finally:
        set_platform()


@pytest.mark.usefixtures("database")
def test_decisions_are_made_once_and_repeating_them_changes_nothing() -> None:
    team = a_funded_team("10")
    request = ask(team)
    first = approve(request, amount="3")
    assert approve(request, amount="3.00") == approve(request) == first
    for amount, until in (("4", None), ("3", AT + timedelta(hours=1))):
        with pytest.raises(quotas.BudgetRequestDecided):
            approve(request, amount=amount, expires_at=until)
    with pytest.raises(quotas.BudgetRequestDecided):
        decline(request)
    with pytest.raises(quotas.BudgetRequestDecided):
        withdraw(team, request)
    assert budget(team).granted == 3
    other = ask(team)
    assert decline(other) == decline(other)
    with pytest.raises(quotas.BudgetRequestDecided):
        approve(other)
    mine = ask(team)
    assert withdraw(team, mine) == withdraw(team, mine)
    assert budget(team).granted == 3


@pytest.mark.usefixtures("database")
def test_two_approvals_at_once_grant_once() -> None:
    team = a_funded_team("10")
    request = ask(team)
    with ThreadPoolExecutor(8) as crowd:
        assert len({str(one) for one in crowd.map(lambda _: approve(request), range(8))}) == 1
    assert budget(team).granted == 20


@pytest.mark.usefixtures("database")
def test_nobody_decides_about_what_has_expired() -> None:
    team = a_funded_team("10")
    request, later = ask(team), AT + timedelta(days=7)
    for decide in (partial(approve, request), partial(decline, request), partial(withdraw, team, request)):
        with pytest.raises(quotas.BudgetRequestExpired):
            decide(at=later)
    with read_only(CLI) as session:
        for state, at in (("pending", AT), ("expired", later)):
            seen = quotas.budget_requests(session, team_id=team.id, state=state, at=at, after=None, limit=9)  # type: ignore[arg-type]
            assert [(one.id, one.state) for one in seen.data] == [(request, state)]


@pytest.mark.usefixtures("database")
def test_a_grant_lies_within_the_month_and_adds_to_something() -> None:
    team, free = a_funded_team("10"), a_team()
    for until in (AT, ENDS + HOUR):
        with pytest.raises(quotas.GrantOutsideMonth):
            grant(team, "1", until=until)
    set_terms(free, monthly_limit="unlimited")
    with pytest.raises(quotas.BudgetIsUnlimited):
        grant(free, "1")


@pytest.mark.usefixtures("database")
def test_asking_and_deciding_is_on_record_and_told() -> None:
    team = a_funded_team("10")
    approve(ask(team), amount="3")
    decline(ask(team))
    with read_only(CLI) as session:
        query = "SELECT action FROM audit_entries WHERE team_id = :team AND object_type = 'budget_request' ORDER BY id"
        done = session.scalars(text(query), {"team": team.id}).all()
        events = "SELECT type FROM events WHERE team_id = :team AND type LIKE 'budget.request%' ORDER BY id"
        heard = session.scalars(text(events), {"team": team.id}).all()
    asked = "budget_request.asked"
    assert done == [asked, "budget_request.approved", asked, "budget_request.declined"]
    assert heard == [
        "budget.requested", "budget.request_approved", "budget.requested", "budget.request_declined"
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- over HTTP
def test_a_team_asks_and_an_operator_grants(make_team: Callable[..., Team], operator: Client) -> None:
    team, other = make_team(budget="10"), make_team()
    body = {"amount": "5", "reason": "Spring catalogue."}
    keyed = {"Idempotency-Key": f"ask {team.slug}"}
    asked = team.member.post("/v1/budget-requests", body, headers=keyed)
    assert asked.status_code == 201
    again = team.member.post("/v1/budget-requests", body, headers=keyed)
    assert (again.json(), again.headers["idempotent-replayed"]) == (asked.json(), "true")
    path = asked.headers["location"]
    assert team.viewer.get(path).json() == asked.json() == operator.get(path).json()
    assert [one["id"] for one in team.viewer.get("/v1/budget-requests").json()["data"]] == [asked.json()["id"]]
    mine = operator.get(f"/v1/budget-requests?team={team.slug}&state=pending").json()["data"]
    assert [one["team"] for one in mine] == [team.slug]
    for client in (team.admin, team.member):
        assert client.post(f"{path}/approve").json()["code"] == "scope_missing"
    assert other.member.post(f"{path}/withdraw").status_code == 404
    granted = operator.post(f"{path}/approve", {"amount": "4"})
    assert (granted.status_code, granted.json()["grant"]["amount"]) == (200, "4.00")
    assert team.viewer.get(f"/v1/teams/{team.slug}/budget").json()["limit"] == "14.00"
    assert team.member.post(f"{path}/withdraw").json()["code"] == "budget_request_decided"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"amount": "0", "reason": "x"}, {"amount": "0.00", "reason": "x"}, {"amount": "-1", "reason": "x"},
        {"amount": 5, "reason": "x"}, {"amount": "5", "reason": ""}, {"amount": "5", "reason": "\x00"},
        {"amount": "5", "reason": "x" * 501}, {"amount": "5", "reason": "x", "more": 1},
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(team: Team, body: dict[str, Any]) -> None:
    assert team.member.post("/v1/budget-requests", body).status_code == 422


def test_what_is_no_request_is_not_found(team: Team) -> None:
    for wrong in ("breq_01m7w6kt9eepp87nc93bk07v4n", "job_01m7w6kt9eepp87nc93bk07v4n", "x"):
        assert team.viewer.get(f"/v1/budget-requests/{wrong}").status_code == 404
        assert team.operator.post(f"/v1/budget-requests/{wrong}/approve").status_code == 404
    assert team.viewer.get("/v1/budget-requests?after=x").status_code == 404
    assert team.viewer.get("/v1/budget-requests?state=magic").status_code == 422
