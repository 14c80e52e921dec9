"""Each lock on the door holds by itself: row-level security, the queries' own filter, and privileges."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, RESOLVER, WORKER, Actor, DbRole
from tests.quotas.factories import AT, MODEL, a_funded_team, hold, sums
from tests.tenants.factories import NOBODY, acting_for

pytestmark = pytest.mark.usefixtures("database")

FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")


def teams_in(actor: Actor, table: str) -> set[UUID]:
    with read_only(actor) as session:
        return set(session.scalars(text(f"SELECT team_id FROM {table}")))  # noqa: S608


@pytest.mark.parametrize("table", ["budgets", "budget_months", "reservations"])
def test_row_level_security_alone_keeps_teams_apart(table: str) -> None:
    mine, other = a_funded_team(), a_funded_team()
    hold(mine, "1"), hold(other, "1")
    assert teams_in(acting_for(mine), table) == {mine.id}
    assert teams_in(NOBODY, table) == set()
    assert teams_in(FINANCE, table) >= {mine.id, other.id}


def test_the_queries_own_filter_alone_keeps_teams_apart() -> None:
    mine, other = a_funded_team("10"), a_funded_team("20")
    hold(mine, "1"), hold(other, "2")
    with read_only(CLI) as session:  # an operator's unit sees every team
        assert quotas.budget(session, mine, AT).held == 1
        held = session.execute(quotas.held_in([date(2026, 11, 1)], mine.id)).all()
    assert [(row.team_slug, row.amount) for row in held] == [(mine.slug, 1)]


def test_a_team_moves_no_money_of_another() -> None:
    mine, other = a_funded_team(), a_funded_team()
    job_id = hold(other, "1")
    with unit_of_work(acting_for(mine)) as session:
        quotas.release(session, other.id, job_id)
        session.execute(text("UPDATE budget_months SET reserved = 0, spent = 0"))
    assert sums(other).reserved == sums(other).held == 1
    with pytest.raises(quotas.BudgetExceeded), unit_of_work(acting_for(mine)) as session:
        quotas.reserve(session, other, ids.new_id(), Decimal(0), base_model=MODEL, at=AT)
    month = text("INSERT INTO budget_months (team_id, month, base_amount) VALUES (:team, '2030-01-01', 1)")
    with pytest.raises(DBAPIError, match="row-level security"), unit_of_work(acting_for(mine)) as session:
        session.execute(month, {"team": other.id})


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE budgets SET terms = '{}'",
        "DELETE FROM budgets",
        "UPDATE budget_months SET base_amount = 1000000",
        "DELETE FROM budget_months",
        "UPDATE reservations SET month = '2020-01-01'",  # its amount may: a job moved elsewhere has another price
        "DELETE FROM reservations",
    ],
)
def test_only_operators_set_limits_and_nobody_forgets_a_reservation(change: str) -> None:
    team = a_funded_team()
    hold(team, "1")
    for actor in (acting_for(team), FINANCE, WORKER, AUTH, RESOLVER):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(actor) as session:
            session.execute(text(change))
