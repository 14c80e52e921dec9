"""`reserved` is the sum of what is held and `spent` of what was settled, in whatever order and however many at once."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import quotas
from service.kit import ids
from service.kit.db import unit_of_work
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
    wait_until_blocked,
)
from tests.tenants.factories import acting_for

pytestmark = pytest.mark.usefixtures("database")

ZERO = Decimal(0)


def test_of_fifty_at_once_exactly_those_are_granted_that_fit() -> None:
    team, start = a_funded_team("20"), Barrier(50)

    def ask(_: int) -> bool:
        start.wait()
        return is_granted(team, "1")

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(ask, range(50))) == 20
    assert sums(team).reserved == sums(team).held == 20


class Book:
    """A month, kept by the rules of this domain in a few lines of plain Python."""

    def __init__(self, limit: Decimal) -> None:
        self.limit, self.spent = limit, ZERO
        self.held: dict[UUID, Decimal] = {}

    @property
    def left(self) -> Decimal:
        return self.limit - self.spent - sum(self.held.values())


Step = tuple[str, Decimal, int]
amounts = st.decimals(0, 12, places=10)
steps = st.lists(st.tuples(st.sampled_from(["hold", "settle", "release", "limit"]), amounts, st.integers(0, 99)))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(amounts, steps)
def test_whatever_happens_totals_equal_their_rows(limit: Decimal, does: list[Step]) -> None:
    team, book = a_funded_team(str(limit)), Book(limit)
    for verb, amount, which in does:
        carry_out(team, book, verb, amount, which)
        seen = sums(team)
        assert seen.reserved == seen.held == sum(book.held.values())
        assert seen.spent == seen.settled == book.spent
        assert budget(team).left == max(ZERO, book.left)


def carry_out(team: TeamFacts, book: Book, verb: str, amount: Decimal, which: int) -> None:
    """Do the same in Postgres and in the book, where possible; `which` of the held jobs is meant."""
    if verb == "limit":
        set_budget(team, str(amount))
        book.limit = amount
    elif verb == "hold":
        job_id, fits = ids.new_id(), amount <= book.left
        try:
            hold(team, amount, job_id=job_id)
        except quotas.BudgetExceeded:
            assert not fits
        else:
            assert fits
            book.held[job_id] = amount
    elif book.held:
        job_id = sorted(book.held)[which % len(book.held)]
        held = book.held.pop(job_id)
        if verb == "release":
            release(team, job_id)
        else:
            assert settle(team, job_id, amount).overrun == (amount > held)
            book.spent += amount


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_at_once_totals_equal_their_rows(seed: int) -> None:
    team = a_funded_team("40")

    def live(number: int) -> None:
        chance = random.Random(f"{seed}/{number}")
        mine: list[tuple[UUID, Decimal]] = []
        for _ in range(12):
            verb = chance.choice(["hold", "hold", "settle", "release"])
            if verb == "hold":
                job_id, amount = ids.new_id(), Decimal(chance.choice(["3.3333333333", "7.1", "0.0000000001"]))
                try:
                    hold(team, amount, job_id=job_id)
                except quotas.BudgetExceeded:
                    continue
                mine.append((job_id, amount))
            elif mine:
                job_id, amount = mine.pop()
                settle(team, job_id, amount) if verb == "settle" else release(team, job_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, range(8)))
    seen = sums(team)
    assert seen.reserved == seen.held
    assert seen.spent == seen.settled > 0
    assert seen.reserved + seen.spent <= 40  # here nothing was billed above what was held


def test_a_limit_set_while_a_month_is_being_opened_counts_in_it() -> None:
    team = a_funded_team("10", at=datetime(2026, 9, 5, tzinfo=UTC))
    december = datetime(2026, 12, 1, tzinfo=UTC)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            quotas.reserve(session, team, ids.new_id(), Decimal(10), base_model=MODEL, at=december)
            setting = pool.submit(set_budget, team, "5", at=AT)  # for whom December is only the month after
            wait_until_blocked(setting)
        setting.result(timeout=5)
    assert figures(team, at=december) == {"limit": "5.00", "spent": "0.00", "held": "10.00", "left": "0.00"}


def test_a_grant_asked_for_while_a_limit_is_being_lowered_meets_the_new_one() -> None:
    team = a_funded_team("10")
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(CLI) as session:
            quotas.set_budget(session, CLI, team, quotas.BudgetSet(monthly_limit="5"), at=AT)
            asking = pool.submit(is_granted, team, "5.01")
            wait_until_blocked(asking)
        assert not asking.result(timeout=5)
