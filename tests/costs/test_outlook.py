"""What a month will have cost, how good estimates were, and which models lie idle."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service import costs
from service.costs.reports import Span, projection
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, Actor, DbRole
from service.kit.ids import new_id, show
from service.tenants import TeamFacts
from tests.costs.booking import book
from tests.costs.factories import a_price, charge
from tests.costs.test_api import facts
from tests.quotas.factories import MODEL, a_funded_team, hold
from tests.stack import Team
from tests.tenants.factories import acting_for

FINANCE: Final = Actor(db_role=DbRole.FINANCE, name="finance")
AT: Final = datetime(2031, 4, 11, 12, tzinfo=UTC)
APRIL: Final = Span(date(2031, 4, 1), date(2031, 5, 1))

amounts = st.decimals(0, 10**6, places=10)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(amounts, max_size=28), amounts, amounts, st.decimals(0, 31, places=3))
def test_a_projection_is_never_below_what_is_booked_nor_outside_its_bounds(
    days: list[Decimal], booked: Decimal, held: Decimal, days_left: Decimal
) -> None:
    seen = projection.project(days, booked=booked, held=held, days_left=days_left)
    assert booked <= seen.low <= seen.forecast <= seen.high
    assert seen.forecast == seen.booked + seen.held + seen.expected
    assert seen.forecast >= booked + held


def test_days_that_are_all_alike_leave_nothing_to_doubt() -> None:
    seen = projection.project([Decimal(2)] * 28, booked=Decimal(20), held=Decimal(5), days_left=Decimal("19.5"))
    assert seen.expected == 34
    assert seen.low == seen.forecast == seen.high == 59


def forecast(team: TeamFacts, **asked: Any) -> costs.reports.Forecast:
    told: dict[str, Any] = {"span": APRIL, "by": "team", "filters": {}, "at": AT} | asked
    with read_only(acting_for(team)) as session:
        return costs.reports.forecast(session, told.pop("span"), told.pop("by"), team_id=team.id, **told)


@pytest.mark.usefixtures("database")
def test_a_forecast_goes_on_at_the_pace_of_four_weeks_from_what_is_booked_and_held() -> None:
    team, price = a_funded_team("1000", at=AT), a_price()
    for day in range(28):
        model = MODEL if day % 2 else "gpt-4.1-2025-04-14"
        book(team, price, charged_at=AT - timedelta(days=day + 1), amount=Decimal(2), base_model=model)
    hold(team, "5", at=AT)
    seen = forecast(team)
    assert (seen.days_left, seen.total.booked, seen.total.held) == (19.5, Decimal(20), Decimal(5))
    assert (seen.total.expected, seen.total.forecast) == (Decimal(34), Decimal(59))
    assert [row.key for row in seen.rows] == [team.slug]
    by_model = forecast(team, by="base_model")
    assert sum(row.forecast for row in by_model.rows) == by_model.total.forecast
    assert by_model.total.low <= by_model.total.forecast <= by_model.total.high
    assert forecast(team, span=Span(date(2031, 3, 1), date(2031, 4, 1))).total.expected == 0  # it is over


@pytest.mark.usefixtures("database")
def test_accuracy_compares_what_was_held_with_what_was_billed_job_by_job() -> None:
    team = a_funded_team("1000", at=AT)
    jobs = {share: hold(team, "4", at=AT) for share in ("0.5", "1", "1.5")}
    for share, job in jobs.items():
        charge(team, job, int(Decimal(share) * 4_000_000 / 3), at=AT)
    with read_only(acting_for(team)) as session:
        seen = costs.reports.accuracy(session, APRIL, "base_model", team_id=team.id, filters={})
    assert (seen.total.jobs, seen.total.overruns, seen.total.ratio) == (3, 1, 1.0)
    assert (seen.total.bias, seen.total.error) == (0, 0.3333)
    assert [row.key for row in seen.rows] == [MODEL]
    assert {one.job for one in seen.worst[:2]} == {show("job", jobs[share]) for share in ("0.5", "1.5")}


def test_nothing_to_look_at_is_an_answer(make_team: Callable[..., Team]) -> None:
    client = make_team().viewer
    total = client.get("/v1/costs/accuracy").json()["total"]
    assert (total["jobs"], total["estimated"], total["ratio"]) == (0, "0.00", None)
    assert client.get("/v1/costs/forecast").json()["total"]["forecast"] == "0.00"
    assert client.get("/v1/costs/idle-models").json()["data"] == []
    for path in ("forecast", "accuracy"):
        answer = client.get(f"/v1/costs/{path}?group_by=job")
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_group")


def a_model(team: TeamFacts, connection: UUID | None, made: date) -> str:
    """A tuned model as the registry tells of it, made on that day."""
    name = f"ft:{MODEL}:acme::{uuid4().hex[:8]}"
    with unit_of_work(acting_for(team)) as session:
        session.execute(
            text(
                "INSERT INTO owned_models (team_id, model, connection_id, base_model, owned_at)"
                " VALUES (:team, :model, :connection, :base, :made)"
            ),
            {"team": team.id, "model": name, "connection": connection, "base": MODEL, "made": made},
        )
    return name


def used(connection: UUID, model: str, day: date) -> None:
    with unit_of_work(CLI) as session:
        session.execute(
            text(
                "INSERT INTO usage_days (id, connection_id, provider, day, project, api_key, model, base_model, tier,"
                " meter, requests, quantity, owner, read_at) VALUES"
                " (:id, :connection, 'openai', :day, '', '', :model, 'x', '', 'input_tokens', 1, 5, 'nobody', now())"
            ),
            {"id": new_id(), "connection": connection, "day": day, "model": model},
        )


def read_through(day: date) -> UUID:
    """An account whose usage was read before that day."""
    connection = new_id()
    with unit_of_work(CLI) as session:
        session.execute(
            text(
                "INSERT INTO connections (id, name, kind, provider, base_url, sealed_key)"
                " VALUES (:id, :name, 'openai', 'openai', 'http://127.0.0.1', '')"
            ),
            {"id": connection, "name": uuid4().hex},
        )
        session.execute(
            text(
                "INSERT INTO provider_readings (connection_id, what, asked_at, read_at, through)"
                " VALUES (:id, 'usage', now(), now(), :through)"
            ),
            {"id": connection, "through": day},
        )
    return connection


def test_a_model_is_idle_by_its_last_use_or_its_making_and_only_where_usage_is_read(
    make_team: Callable[..., Team],
) -> None:
    team, other = make_team(), make_team()
    account = read_through(date(2031, 4, 1))
    mine = facts(team)
    never, once, busy, fresh = (a_model(mine, account, day) for day in (
        date(2031, 1, 1), date(2031, 1, 1), date(2031, 1, 1), date(2031, 3, 25),
    ))  # fmt: skip
    a_model(mine, None, date(2031, 1, 1))  # of an account nobody reads
    for model, day in ((once, date(2031, 2, 1)), (once, date(2031, 1, 20)), (busy, date(2031, 3, 30))):
        used(account, model, day)
    book(mine, a_price(), model=never, amount=Decimal("1.5"))
    listed = {one["id"]: one for one in team.viewer.get("/v1/costs/idle-models").json()["data"]}
    assert {model: one["idle_days"] for model, one in listed.items()} == {never: 90, once: 59}
    assert (listed[never]["cost"], listed[never]["last_used_on"]) == ("1.50", None)
    assert (listed[once]["cost"], listed[once]["last_used_on"]) == ("0.00", "2031-02-01")
    of_a_week = team.viewer.get("/v1/costs/idle-models?days=7").json()["data"]
    assert {one["id"] for one in of_a_week} == {never, once, fresh}
    first = team.viewer.get("/v1/costs/idle-models?limit=1").json()
    assert first["has_more"]
    rest = team.viewer.get(f"/v1/costs/idle-models?after={first['last_id']}").json()["data"]
    assert {one["id"] for one in (*first["data"], *rest)} == {never, once}
    assert other.viewer.get("/v1/costs/idle-models").json()["data"] == []
    with read_only(FINANCE) as session:
        seen = costs.reports.old_models(session, team_id=None, days=30, after=None)
        shown = costs.reports.idle_page(session, [one for one in seen if one.model == never], limit=5).data
    assert [(one.id, one.team, one.cost) for one in shown] == [(never, team.slug, Decimal("1.5"))]
