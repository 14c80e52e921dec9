"""Units of work when Postgres was away: everybody is let in again as soon as it answers."""

from typing import NoReturn

import pytest

from service.kit import db
from service.kit.db import DatabaseUnavailable, unit_of_work
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


def refuse() -> NoReturn:
    raise Missing


def test_a_unit_that_ends_in_an_error_of_ours_shows_that_postgres_is_back() -> None:
    db.breaker.open()
    until(refused_by_our_own_rules, what="the breaker to let one try")
    for _ in range(2):
        assert refused_by_our_own_rules(), "the next ones need not wait"
