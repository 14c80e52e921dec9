"""Units of work when Postgres was away: everybody is let in again as soon as it answers."""

from typing import NoReturn

import pytest
from sqlalchemy import text

from service.kit import db
from service.kit.db import DatabaseBusy, DatabaseUnavailable, unit_of_work
from service.kit.errors import NotFound
from service.kit.identity import WORKER
from tests.until import until

pytestmark = pytest.mark.usefixtures("database")


class Missing(NotFound):
    """There is nothing here."""

    code = "missing"


def refused_by_our_own_rules() -> bool:
    """Whether a unit got as far as its body."""
    try:
        with unit_of_work(WORKER):
            refuse()
    except DatabaseUnavailable:
        return False
    except Missing:
        return True


def test_a_slow_statement_ends_by_itself_and_keeps_nobody_else_out() -> None:
    with pytest.raises(DatabaseBusy), unit_of_work(WORKER, seconds=0.5) as session:
        session.execute(text("SELECT pg_sleep(60)"))
    with unit_of_work(WORKER) as session:
        slow = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)'"
        session.execute(text("RESET role"))
        assert session.scalar(text(f"{slow} AND state = 'active'")) == 0


def refuse() -> NoReturn:
    raise Missing


def test_a_unit_that_ends_in_an_error_of_ours_shows_that_postgres_is_back() -> None:
    db.breaker.open()
    until(refused_by_our_own_rules, what="the breaker to let one try")
    for _ in range(2):
        assert refused_by_our_own_rules(), "the next ones need not wait"
