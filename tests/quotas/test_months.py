"""What a month's limit is made of: its own, inherited or not, and what was left of the month before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import pytest

from service import quotas
from service.kit import ids
from service.kit.db import unit_of_work
from service.quotas.rules import Terms, carried_over
from tests.quotas.factories import (
    AT,
    MODEL,
    a_funded_team,
    budget,
    figures,
    hold,
    is_granted,
    release,
    set_platform,
    set_terms,
    settle,
    shown,
    wait_until_blocked,
)
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")

OCTOBER: Final = datetime(2026, 10, 20, tzinfo=UTC)
DECEMBER: Final = datetime(2026, 12, 1, tzinfo=UTC)
MARCH: Final = datetime(2027, 3, 5, tzinfo=UTC)


@pytest.fixture
def platform_terms() -> Iterator[None]:
    yield
    set_platform()


# ------------------------------------------------------------------------------------------------- whose word holds
@pytest.mark.usefixtures("platform_terms")
def test_a_team_inherits_the_platforms_budget_until_it_has_its_own() -> None:
    team = a_team()
    assert shown(team, "limit", "from") == (None, "default")
    set_platform(monthly_limit="50", thresholds=[90])
    assert shown(team, "limit", "from", "thresholds") == ("50.00", "platform", [90])
    assert is_granted(team, "50")
    set_platform(monthly_limit="60")
    assert is_granted(team, "10")
    assert not is_granted(team, "0.01")
    set_terms(team, monthly_limit="5")
    set_platform(monthly_limit="70")
    assert shown(team, "limit", "from") == ("5.00", "team")
    set_terms(team)
    assert shown(team, "limit", "from") == ("70.00", "platform")


@pytest.mark.usefixtures("platform_terms")
def test_zero_denies_and_a_word_lifts_what_would_be_inherited() -> None:
    denied, free = a_team(), a_team()
    set_platform(monthly_limit="50")
    set_terms(denied, monthly_limit="0")
    set_terms(free, monthly_limit="unlimited")
    assert not is_granted(denied, "0.01")
    assert is_granted(free, "5000000")
    assert shown(free, "limit", "base", "left", "held") == ("unlimited", "unlimited", "unlimited", "5000000.00")


def test_a_team_that_inherits_nothing_any_more_may_spend_nothing_more() -> None:
    team = a_funded_team("10")
    under_way = hold(team, "1")
    set_terms(team)
    assert not is_granted(team, "0.01")
    settle(team, under_way, "1")
    assert figures(team) == {"limit": "0.00", "spent": "1.00", "held": "0.00", "left": "0.00"}


# -------------------------------------------------------------------------------------------------------- rolling over
@pytest.mark.parametrize(
    ("own", "used", "most", "expected"),
    [
        ("100", "30", "50", ["50", "50"]),  # the cap holds in each month
        ("100", "30", None, ["70", "170"]),
        ("100", "120", "50", ["0", "50"]),
        ("100", "-20", None, ["120", "220"]),  # a correction that gives back
        (None, "30", "50", ["0", "50"]),
    ],
)
def test_what_is_carried(own: str | None, used: str, most: str | None, expected: list[str]) -> None:
    terms = Terms(Decimal(100), Decimal(most) if most else None, ())
    begins, ends = date(2026, 12, 1), date(2027, 2, 1)
    found = carried_over(Decimal(own) if own else None, Decimal(used), terms, begins, ends)
    assert found == [Decimal(one) for one in expected]


def test_what_is_left_goes_on_into_the_next_month_up_to_the_cap() -> None:
    team = a_team()
    set_terms(team, monthly_limit="100", rollover_max="25", at=AT)
    settle(team, hold(team, "80"), "80")
    # as it would be if it were opened now
    assert shown(team, "base", "carried", "limit", at=DECEMBER) == ("100.00", "20.00", "120.00")
    assert is_granted(team, "120", at=DECEMBER)
    assert not is_granted(team, "0.01", at=DECEMBER)
    assert budget(team, at=DECEMBER).carried == 20
    assert budget(team, at=MARCH).carried == 25  # two months nobody used


def test_what_was_carried_on_cannot_be_spent_in_the_month_it_comes_from_too() -> None:
    team = a_team()
    set_terms(team, monthly_limit="100", rollover_max="unlimited", at=OCTOBER)
    hold(team, "10", at=OCTOBER)
    assert is_granted(team, "190")  # October's 90 and November's 100
    assert not is_granted(team, "0.01", at=OCTOBER)
    assert figures(team, at=OCTOBER) == {"limit": "100.00", "spent": "0.00", "held": "10.00", "left": "0.00"}


def test_what_is_held_when_a_month_ends_is_not_carried_and_stays_where_it_was() -> None:
    team = a_team()
    set_terms(team, monthly_limit="100", rollover_max="unlimited")
    job = hold(team, "40")
    assert budget(team, at=DECEMBER).carried == 60
    hold(team, "1", at=DECEMBER)
    release(team, job)
    assert (shown(team, "left"), shown(team, "carried", at=DECEMBER)) == (("40.00",), ("60.00",))


def test_without_a_cap_of_its_own_nothing_is_carried() -> None:
    team = a_funded_team("100")
    hold(team, "1")
    hold(team, "1", at=DECEMBER)
    assert budget(team, at=DECEMBER).carried == 0


def test_a_grant_in_the_old_month_and_the_opening_of_the_new_never_both_take_what_is_left() -> None:
    team = a_team()
    set_terms(team, monthly_limit="10", rollover_max="10")
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            quotas.reserve(session, team, ids.new_id(), Decimal(8), base_model=MODEL, at=AT)
            opening = pool.submit(hold, team, "12", at=DECEMBER)
            wait_until_blocked(opening)
        opening.result(timeout=5)
    assert shown(team, "carried", "left", at=DECEMBER) == ("2.00", "0.00")
    assert not is_granted(team, "0.01")


def test_a_month_that_is_being_opened_while_the_platforms_terms_are_set_has_the_new_ones() -> None:
    team = a_team()
    set_platform(monthly_limit="10")
    try:
        with ThreadPoolExecutor(1) as pool:
            with unit_of_work(acting_for(team)) as session:
                quotas.reserve(session, team, ids.new_id(), Decimal(10), base_model=MODEL, at=AT)
                setting = pool.submit(set_platform, monthly_limit="5")
                wait_until_blocked(setting)
            setting.result(timeout=5)
        assert figures(team) == {"limit": "5.00", "spent": "0.00", "held": "10.00", "left": "0.00"}
    finally:
        set_platform()
