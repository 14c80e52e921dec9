"""Teams with money, and looks at what Postgres holds of it."""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from service import costs, quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.tenants.factories import a_team, acting_for
from tests.until import until

AT: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH: Final = date(2026, 11, 1)
MODEL: Final = "gpt-4o-mini-2024-07-18"


def a_funded_team(limit: str = "100", *, at: datetime = AT, **facts: str) -> TeamFacts:
    """A team nobody else uses, with this budget."""
    team = a_team(**facts)
    set_budget(team, limit, at=at)
    return team


def set_budget(team: TeamFacts, limit: str, *, at: datetime = AT) -> quotas.BudgetView:
    return set_terms(team, at=at, monthly_limit=f"{Decimal(limit):f}")


def set_terms(team: TeamFacts, *, at: datetime = AT, **terms: Any) -> quotas.BudgetView:
    with unit_of_work(CLI) as session:
        return quotas.set_budget(session, CLI, team, quotas.BudgetSet(**terms), at=at)


def set_platform(*, at: datetime = AT, **terms: Any) -> None:
    with unit_of_work(CLI) as session:
        quotas.set_platform_budget(session, CLI, quotas.BudgetSet(**terms), at=at)


def hold(
    team: TeamFacts,
    amount: str | Decimal,
    *,
    at: datetime = AT,
    job_id: UUID | None = None,
    tokens: int = 0,
    tokens_max: int | None = None,
) -> UUID:
    """Reserve for a new job; its id. Raises BudgetExceeded or TrainingTokensReached."""
    job_id = job_id or ids.new_id()
    with unit_of_work(acting_for(team)) as session:
        quotas.reserve(
            session, team, job_id, Decimal(amount), base_model=MODEL, at=at, tokens=tokens, tokens_max=tokens_max
        )
    return job_id


def is_granted(team: TeamFacts, amount: str | Decimal, *, at: datetime = AT) -> bool:
    try:
        hold(team, amount, at=at)
    except quotas.BudgetExceeded:
        return False
    return True


def settle(team: TeamFacts, job_id: UUID, amount: str | Decimal, *, tokens: int = 0) -> quotas.Settlement:
    with unit_of_work(acting_for(team)) as session:
        return quotas.settle(session, team.id, job_id, Decimal(amount), tokens=tokens)


def adjust(team: TeamFacts, amount: str | Decimal, *, month: date = MONTH) -> None:
    with unit_of_work(acting_for(team)) as session:
        quotas.adjust(session, team.id, month, Decimal(amount))


def release(team: TeamFacts, job_id: UUID) -> None:
    with unit_of_work(acting_for(team)) as session:
        costs.release(session, team.id, job_id)


def budget(team: TeamFacts, *, at: datetime = AT) -> quotas.BudgetView:
    with read_only(acting_for(team)) as session:
        return quotas.budget(session, team, at)


def figures(team: TeamFacts, *, at: datetime = AT) -> dict[str, str | None]:
    """The amounts of the team's budget as a user reads them."""
    return budget(team, at=at).model_dump(mode="json", include={"limit", "spent", "held", "left"})


def shown(team: TeamFacts, *names: str, at: datetime = AT) -> tuple[Any, ...]:
    """These fields of the team's budget as a user reads them."""
    seen = budget(team, at=at).model_dump(mode="json", by_alias=True)
    return tuple(seen[name] for name in names)


@dataclass(frozen=True)
class Sums:
    """A team's totals over all months, and the rows they must be the sum of."""

    reserved: Decimal
    held: Decimal
    spent: Decimal
    settled: Decimal
    ledger: Decimal


def sums(team: TeamFacts) -> Sums:
    statement = """
        SELECT (SELECT sum(reserved) FROM budget_months WHERE team_id = :team),
               (SELECT sum(amount) FROM reservations WHERE team_id = :team AND state = 'held'),
               (SELECT sum(spent) FROM budget_months WHERE team_id = :team),
               (SELECT sum(settled_amount) FROM reservations WHERE team_id = :team),
               (SELECT sum(amount) FROM ledger_entries WHERE team_id = :team)
    """
    with read_only(CLI) as session:
        row = session.execute(text(statement), {"team": team.id}).one()
    return Sums(*(amount or Decimal(0) for amount in row))


def wait_until_blocked(call: Future[Any]) -> None:
    """Be sure that the call waits for a lock, which the test holds."""
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND datname = current_database()"
    )

    def in_line() -> bool:
        assert not call.done()
        with read_only(CLI) as session:
            return bool(session.scalar(waiting))

    until(in_line, within=2)
