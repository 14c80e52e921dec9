"""Months as finance closes and opens them, and the ledger as only a superuser can change it."""

from datetime import UTC, datetime
from typing import Final, LiteralString

import psycopg

from service import costs
from service.cli.local import LocalStack
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor, DbRole

FINANCE: Final = Actor(db_role=DbRole.FINANCE, name="finance")
AUGUST, SEPTEMBER, OCTOBER, NOVEMBER = (datetime(2026, number, 9, 12, tzinfo=UTC) for number in (8, 9, 10, 11))
AFTER: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)


def month(text: str) -> costs.Period:
    return costs.period(text)


def close(text: str, *, at: datetime = AFTER) -> costs.PeriodView:
    with unit_of_work(FINANCE) as session:
        costs.close_period(session, FINANCE, month(text), at=at)
    with unit_of_work(FINANCE) as session:
        costs.seal_closed(session, FINANCE, at=at)
    return show(text)


def reopen(text: str, reason: str = "a late invoice") -> None:
    with unit_of_work(FINANCE) as session:
        costs.reopen_period(session, FINANCE, month(text), reason, at=AFTER)


def show(text: str) -> costs.PeriodView:
    with read_only(FINANCE) as session:
        return costs.show_period(session, month(text), team_id=None)


def verdict(text: str) -> costs.Verdict:
    with read_only(FINANCE) as session:
        return costs.verify_period(session, month(text))


def tamper(stack: LocalStack, *statements: LiteralString, **values: object) -> None:
    """Do as a superuser what privileges and triggers forbid everybody else."""
    url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement, values)


def wipe(stack: LocalStack) -> None:
    """Open all months again, take every entry out of them and let nothing be held."""
    tamper(
        stack,
        "DELETE FROM sealed_days",
        "DELETE FROM period_seals",
        "DELETE FROM billing_periods",
        "DELETE FROM ledger_entries",
        "DELETE FROM reservations",
    )
