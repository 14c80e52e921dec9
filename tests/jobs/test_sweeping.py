"""Money held for a job that is over, or that nobody knows, is settled or given back by a tick."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from service import quotas
from service.cli.local import LocalStack
from service.jobs import flows
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, SYSTEM
from tests.jobs.factories import Desk
from tests.quotas.factories import AT, a_funded_team, hold, settle, shown, sums
from tests.quotas.test_requests import grant
from tests.quotas.test_thresholds import told
from tests.stack import conversations


def by_hand(stack: LocalStack, statement: str, *values: object) -> None:
    """What no code of ours would write."""
    url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode(), values)


def swept(team_id: UUID) -> list[str]:
    query = "SELECT object_id FROM audit_entries WHERE team_id = :team AND action = 'reservation.swept'"
    with read_only(CLI) as session:
        return list(session.scalars(text(query), {"team": team_id}))


def test_what_is_held_for_a_job_that_nobody_knows_is_given_back(quiet: LocalStack) -> None:
    team = a_funded_team("10")
    job = hold(team, "4", tokens=7)
    flows.sweep_reservations()
    flows.sweep_reservations()
    assert sums(team).reserved == sums(team).held == sums(team).spent == 0
    assert swept(team.id) == [ids.show("job", job)]


def test_what_is_held_for_a_job_under_way_stays(quiet: LocalStack) -> None:
    desk = Desk()
    job = desk.submit(desk.shelf.checked(conversations()))
    flows.sweep_reservations()
    assert desk.money().held == job.reserved > 0
    assert swept(desk.team.id) == []


@pytest.mark.parametrize("trained", [0, 1000])
def test_what_is_held_for_a_job_that_is_over_is_settled_on_what_was_trained(quiet: LocalStack, trained: int) -> None:
    desk = Desk()
    job = desk.submit(desk.shelf.checked(conversations()))
    ended = (
        "UPDATE jobs SET state = 'cancelled', provider_job_id = %s, trained_tokens = %s, due_at = NULL WHERE id = %s"
    )
    by_hand(quiet, ended, f"ftjob-{trained}", trained, job.id)
    flows.sweep_reservations()
    flows.sweep_reservations()
    money = desk.money()
    assert money.reserved == money.held == 0
    assert money.spent == money.ledger == money.settled
    assert (money.spent > 0) is (trained > 0)
    assert swept(desk.team.id) == [ids.show("job", job.id)]


def test_a_grant_that_has_expired_is_taken_out_of_the_month_and_told(quiet: LocalStack) -> None:
    team, until = a_funded_team("10"), AT + timedelta(hours=1)
    grant(team, "10", until=until)
    settle(team, hold(team, "9"), "9")
    with unit_of_work(SYSTEM) as session:
        quotas.take_back_grants(session, until - timedelta(microseconds=1))
    assert told(team) == []
    for _ in range(2):
        with unit_of_work(SYSTEM) as session:
            quotas.take_back_grants(session, until)
    assert told(team) == [("2026-11", 50), ("2026-11", 80)]
    assert shown(team, "limit", "granted") == ("10.00", "0.00")
    url = quiet.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT granted, grants_until FROM budget_months WHERE team_id = %s", [team.id]
        ).fetchone()
    assert row == (Decimal(0), None)
