"""A team's months, whatever befalls them in whatever order, are what a few lines of plain Python say they are.

Reserve, charge, release, change, correct, ask and grant, let grants expire, set another limit or cap, let time pass
into the next month, close the month at finance's, and have a transaction fail at its end: the tables must agree with
the book after each step, to the last digit.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from service import costs, quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.quotas import BudgetAsk, BudgetGrant, BudgetSet, month_of, next_month
from tests.costs.factories import charge_in
from tests.quotas.factories import MODEL
from tests.tenants.factories import a_team, acting_for

STEP: Final = timedelta(days=9)
PRICE: Final = Decimal(3) / 1_000_000  # of a token of MODEL
ZERO: Final = Decimal(0)
DIGIT: Final = Decimal(1).scaleb(-10)
amounts = st.decimals("0", "6", places=10)
bases = st.sampled_from([ZERO, Decimal(4), Decimal(12)])
caps = st.sampled_from([ZERO, Decimal(3), Decimal(50)])
tokens = st.integers(0, 1_000_000)
edges = st.sampled_from(["any", "any", "all", "more"])
fails = st.sampled_from([False, False, False, True])


@dataclass
class Month:
    """What one month has, by the rules of this domain."""

    base: Decimal
    carried: Decimal = ZERO
    carried_out: Decimal = ZERO
    spent: Decimal = ZERO
    tokens_spent: int = 0
    grants: list[tuple[Decimal, datetime]] = field(default_factory=list)
    held: dict[UUID, tuple[Decimal, int]] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    def limit(self, at: datetime | None = None) -> Decimal:
        """At that instant; without one as the row has it, where what expired is until it is taken back."""
        granted = (amount for amount, until in self.grants if at is None or until > at)
        return self.base + self.carried + sum(granted, ZERO)

    def take_back(self, at: datetime) -> None:
        self.grants = [(amount, until) for amount, until in self.grants if until > at]
        self.tell()

    def tell(self) -> None:
        """The thresholds are those of the code: 50, 80 and 100."""
        limit = self.limit()
        self.told |= {percent for percent in (50, 80, 100) if self.spent > 0 and self.spent * 100 >= limit * percent}

    @property
    def reserved(self) -> Decimal:
        return sum((amount for amount, _ in self.held.values()), ZERO)

    @property
    def tokens_held(self) -> int:
        return sum(count for _, count in self.held.values())

    def left(self, at: datetime) -> Decimal:
        return self.limit(at) - self.carried_out - self.reserved - self.spent


class Budgeting(RuleBasedStateMachine):
    """The tables beside the book."""

    def __init__(self) -> None:
        super().__init__()
        self.team = a_team(time_zone="America/New_York")
        self.at = datetime(2026, 2, 25, tzinfo=UTC)  # a short month, and a change of clocks soon after
        self.months: dict[date, Month] = {}
        self.base, self.cap = ZERO, ZERO
        self.tokens_max: int | None = None

    @contextmanager
    def unit(self, actor: Any = None, *, fails: bool = False) -> Iterator[Any]:
        """A transaction that may be lost at its end, as if the process had died there."""
        with unit_of_work(actor or acting_for(self.team)) as session:
            yield session
            if fails:
                session.rollback()

    @property
    def month(self) -> date:
        return month_of(self.at, self.team.time_zone)

    def now(self) -> Month:
        """The present month in the book, opened if it is not."""
        last = max(self.months, default=None)
        if last is None or self.cap == 0:
            return self.months.setdefault(self.month, Month(self.base))
        while last < self.month:
            before = self.months[last]
            rest = max(ZERO, before.base + before.carried - before.spent - before.reserved)
            before.carried_out = min(rest, self.cap)
            last = next_month(last)
            self.months[last] = Month(self.base, before.carried_out)
        return self.months[self.month]

    def owner(self, job: UUID) -> Month:
        return next(month for month in self.months.values() if job in month.held)

    def jobs(self) -> list[UUID]:
        return sorted(job for month in self.months.values() for job in month.held)

    # ------------------------------------------------------------------------------------------------------- the steps
    @initialize(base=bases, cap=caps)
    def begin(self, base: Decimal, cap: Decimal) -> None:
        self.set_terms(base, cap)

    @rule(base=bases, cap=caps)
    def set_terms(self, base: Decimal, cap: Decimal) -> None:
        with self.unit(CLI) as session:
            terms = BudgetSet(monthly_limit=f"{base:f}", rollover_max=f"{cap:f}")
            quotas.set_budget(session, CLI, self.team, terms, at=self.at)
        self.base, self.cap = base, cap
        self.now().base = base
        self.now().tell()

    @rule(limit=st.sampled_from([None, 500_000, 1_000_000, 2_000_000]))
    def limit_tokens(self, limit: int | None) -> None:
        self.tokens_max = limit

    @rule(amount=amounts, count=tokens, money=edges, training=edges, late=st.booleans(), fails=fails)
    def reserve(self, amount: Decimal, count: int, money: str, training: str, late: bool, fails: bool) -> None:
        """Any amount, or to the last digit what is left, or a digit more.

        Late is whoever began in the month before and comes to the row only now.
        """
        at = self.at - STEP if late and month_of(self.at - STEP, self.team.time_zone) in self.months else self.at
        month, job = self.months[month_of(at, self.team.time_zone)], ids.new_id()
        if money != "any":
            amount = max(ZERO, month.left(at)) + (DIGIT if money == "more" else ZERO)
        if training != "any" and self.tokens_max is not None:
            count = max(0, self.tokens_max - month.tokens_held - month.tokens_spent) + (training == "more")
        fits = amount <= month.left(at) and (
            self.tokens_max is None or count == 0 or month.tokens_held + month.tokens_spent + count <= self.tokens_max
        )
        try:
            with self.unit(fails=fails) as session:
                quotas.reserve(
                    session, self.team, job, amount,
                    base_model=MODEL, at=at, tokens=count, tokens_max=self.tokens_max,
                )  # fmt: skip
        except (quotas.BudgetExceeded, quotas.TrainingTokensReached):
            assert not fits
        else:
            assert fits
            if not fails:
                month.take_back(at)
                month.held[job] = (amount, count)

    @precondition(lambda self: self.jobs())
    @rule(data=st.data(), count=tokens, fails=fails)
    def charge(self, data: st.DataObject, count: int, fails: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs()))
        with self.unit(fails=fails) as session:
            cost = charge_in(session, self.team, job, count, at=self.at)
        assert cost == (PRICE * count).quantize(DIGIT)
        if not fails:
            month = self.owner(job)
            del month.held[job]
            month.spent += cost
            month.tokens_spent += count
            month.tell()

    @precondition(lambda self: self.jobs())
    @rule(data=st.data(), fails=fails)
    def release(self, data: st.DataObject, fails: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs()))
        with self.unit(fails=fails) as session:
            costs.release(session, self.team.id, job)
        if not fails:
            del self.owner(job).held[job]

    @rule(amount=st.decimals("-12", "12", places=10).filter(lambda one: one != 0), fails=fails)
    def correct(self, amount: Decimal, fails: bool) -> None:
        month = self.now()
        wanted = costs.Adjustment(
            amount=amount, reason="chance", ext_ref=f"adjustment:{ids.new_id()}", provider="openai"
        )
        with self.unit(fails=fails) as session:
            costs.adjust(session, acting_for(self.team), self.team, wanted, at=self.at)
        if not fails:
            month.spent += amount
            month.tell()

    @rule(amount=amounts.filter(bool), hours=st.integers(1, 200), fails=fails)
    def grant(self, amount: Decimal, hours: int, fails: bool) -> None:
        month = self.now()
        until = min(self.at + timedelta(hours=hours), quotas.begins_at(next_month(self.month), self.team.time_zone))
        with self.unit() as session:
            asked = BudgetAsk(amount=f"{amount:f}", reason="chance")
            request = quotas.ask_for_budget(session, acting_for(self.team), self.team, asked, at=self.at)
        with self.unit(CLI, fails=fails) as session:
            quotas.approve_budget(session, CLI, request.id, BudgetGrant(expires_at=until), at=self.at)
        if not fails:
            month.take_back(self.at)
            month.grants.append((amount, until))

    @rule(fails=fails)
    def take_back(self, fails: bool) -> None:
        with self.unit(CLI, fails=fails) as session:
            quotas.take_back_grants(session, self.at)
        for month in self.months.values() if not fails else ():
            month.take_back(self.at)

    @rule(step=st.sampled_from([timedelta(hours=20), STEP]))
    def pass_time(self, step: timedelta) -> None:
        self.at += step
        with self.unit() as session:
            assert quotas.open_month(session, self.team, self.at) == self.month
        self.now()

    @rule()
    def close(self) -> None:
        """Finance closes the last month; what comes late counts in the next one, but in the budget that held it."""
        period = costs.period(f"{self.at - timedelta(days=self.at.day):%Y-%m}")
        with suppress(costs.EarlierPeriodOpen), self.unit(CLI) as session:
            costs.close_period(session, CLI, period, at=self.at)

    # ------------------------------------------------------------------------------------------------- what must be so
    @invariant()
    def tables_and_book_agree(self) -> None:
        query = """
            SELECT m.*, (SELECT coalesce(sum(amount), 0) FROM ledger_entries l
                         WHERE l.team_id = m.team_id AND l.budget_month = m.month) AS booked,
                   (SELECT coalesce(sum(amount), 0) FROM reservations r
                    WHERE r.team_id = m.team_id AND r.month = m.month AND r.state = 'held') AS held,
                   ARRAY(SELECT percent FROM budget_alerts a
                         WHERE a.team_id = m.team_id AND a.month = m.month ORDER BY percent) AS told
            FROM budget_months m WHERE team_id = :team
        """
        with read_only(CLI) as session:
            rows = {row.month: row for row in session.execute(text(query), {"team": self.team.id})}
            view = quotas.budget(session, self.team, self.at)
        assert rows.keys() == self.months.keys()
        for day, month in self.months.items():
            row = rows[day]
            assert row.reserved == row.held == month.reserved
            assert row.spent == row.booked == month.spent
            assert (row.tokens_reserved, row.tokens_spent) == (month.tokens_held, month.tokens_spent)
            assert (row.base_amount, row.carried, row.carried_out) == (month.base, month.carried, month.carried_out)
            assert row.limit_amount == month.limit()
            assert row.told == sorted(month.told)
        assert view.left == max(ZERO, self.now().left(self.at))


def run(examples: int) -> None:
    machine = Budgeting.TestCase
    machine.settings = settings(derandomize=True, deadline=None, max_examples=examples, stateful_step_count=50)
    machine().runTest()


@pytest.mark.usefixtures("quiet")
@pytest.mark.timeout(300)
def test_months_are_what_the_book_says() -> None:
    run(30)


@pytest.mark.usefixtures("quiet")
@pytest.mark.faults
@pytest.mark.timeout(900)
def test_months_are_what_the_book_says_for_long() -> None:
    run(150)
