"""Writes of reservations and counts. Each moves a month's totals together with the rows they are the sum of.

Two rows of a team are hot: its day (`count_job`) and its month (`reserve`, and what ends a reservation). They are
locked last, and the day before the month, so that nobody waits in a circle.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.kit import clock, logs, money
from service.quotas import months, queries, rules
from service.quotas.errors import BudgetExceeded, JobsPerDayReached, NoBudget, TrainingTokensReached
from service.quotas.models import BudgetMonth, JobDay, Reservation
from service.quotas.months import FOR_UPDATE
from service.quotas.rules import Settlement
from service.quotas.schemas import BudgetView
from service.tenants import TeamFacts

log = logs.get(__name__)

_ROOM: Final = """
    team_id = :team AND month = :month AND (grants_until IS NULL OR grants_until > :at)
    AND (limit_amount IS NULL OR limit_amount - carried_out - reserved - spent >= :asked OR {or_else})
    AND (CAST(:tokens_max AS bigint) IS NULL OR :tokens <= 0 OR tokens_reserved + tokens_spent + :tokens <= :tokens_max)
"""
# One statement, because the month's row is locked from here until the transaction ends and everybody else waits for it.
_GRANT: Final = text(
    f"""
    WITH granted AS (
        UPDATE budget_months SET reserved = reserved + :asked, tokens_reserved = tokens_reserved + :tokens
        WHERE {_ROOM.format(or_else="false")} RETURNING month
    )
    INSERT INTO reservations (team_id, job_id, team_slug, month, base_model, amount, tokens)
    SELECT :team, :job, :slug, month, :model, :asked, :tokens FROM granted RETURNING month
    """  # noqa: S608 - of constants
)
_CHANGE: Final = text(
    f"""
    UPDATE budget_months SET reserved = reserved + :asked, tokens_reserved = tokens_reserved + :tokens
    WHERE {_ROOM.format(or_else=":asked <= 0")} RETURNING month
    """  # noqa: S608
)


def reserve(
    session: Session,
    team: TeamFacts,
    job_id: UUID,
    amount: Decimal,
    *,
    base_model: str,
    at: datetime,
    tokens: int = 0,
    tokens_max: int | None = None,
) -> None:
    """Hold the most a job may cost, and the tokens it may train on, until it is settled or released.

    Of any number of callers at once only those are granted whose money and tokens fit together; `tokens_max` is the
    limit in force (None: none). Call it last in the transaction: until that ends, the team's other grants wait. A job
    is granted once: a second time is an integrity error. Raises BudgetExceeded or TrainingTokensReached, and then
    holds nothing.
    """
    asked = money.amount(amount)
    if asked < 0 or tokens < 0:
        raise ValueError(f"cannot hold {asked} and {tokens} tokens")
    month = rules.month_of(at, team.time_zone)
    wanted = {
        "team": team.id, "month": month, "at": at, "asked": asked, "tokens": tokens, "tokens_max": tokens_max,
        "job": job_id, "slug": team.slug, "model": base_model,
    }  # fmt: skip
    _take(session, team, _GRANT, wanted)


def change(
    session: Session,
    team: TeamFacts,
    job_id: UUID,
    amount: Decimal,
    *,
    at: datetime,
    tokens: int = 0,
    tokens_max: int | None = None,
) -> None:
    """Hold so much for the job instead, in the same month; raises as `reserve`, and then holds what it did.

    For a job whose money is held. Call it last in the transaction, as `reserve`.
    """
    asked = money.amount(amount)
    row = session.get_one(Reservation, (team.id, job_id), **FOR_UPDATE)
    more, more_tokens = asked - row.amount, tokens - row.tokens
    row.amount, row.tokens = asked, tokens
    session.flush()
    wanted = {
        "team": team.id, "month": row.month, "at": at, "asked": more, "tokens": more_tokens, "tokens_max": tokens_max,
    }  # fmt: skip
    _take(session, team, _CHANGE, wanted)


def _take(session: Session, team: TeamFacts, statement: Any, wanted: dict[str, Any]) -> None:
    """Carry out the statement; once more with the month opened and what expired taken back, where it found no room."""
    if session.scalar(statement, wanted) is not None:
        return
    months.prepare(session, team.id, wanted["month"])
    months.take_back(session, team.id, wanted["month"], wanted["at"])
    if session.scalar(statement, wanted) is None:
        raise _refusal(session, team, wanted)


def lock(session: Session, team_id: UUID, job_id: UUID) -> Decimal:
    """Let nobody else settle or release the job's reservation before this transaction ends; what was held by it."""
    return session.get_one(Reservation, (team_id, job_id), **FOR_UPDATE).amount


def settle(
    session: Session, team_id: UUID, job_id: UUID, actual: Decimal, *, tokens: int = 0, beside: bool = False
) -> Settlement:
    """Turn what is held for the job into `actual` and `tokens` spent, to whatever it comes: a bill is never refused.

    Not once but for each charge, because each counts: a second one, or one after a release, finds nothing held any more
    and is an overrun. So is one that comes `beside` the job's own: what is held waits for that. That no charge comes
    twice is the ledger's promise, so only `costs` calls this.
    """
    row = session.get_one(Reservation, (team_id, job_id), **FOR_UPDATE)
    is_kept = beside and row.state == "held"
    is_freed = row.state == "held" and not is_kept
    freed = row.amount if is_freed else money.ZERO
    over = actual > freed
    if not is_kept:
        row.state, row.ended_at = "settled", row.ended_at or func.now()
    row.settled_amount += actual
    row.settled_tokens += tokens
    row.overrun = row.overrun or over
    _move(session, row, freed=is_freed, spent=actual, tokens=tokens)
    if over:
        log.warning("budget.overrun", team_id=str(team_id), job_id=str(job_id), held=str(freed), actual=str(actual))
    return Settlement(row.month, over)


def release(session: Session, team_id: UUID, job_id: UUID) -> None:
    """Give back what is held for the job, if anything is."""
    row = session.get(Reservation, (team_id, job_id), **FOR_UPDATE)
    if row is not None and row.state == "held":
        row.state, row.ended_at = "released", func.now()
        _move(session, row, freed=True, spent=money.ZERO, tokens=0)


def open_month(session: Session, team: TeamFacts, at: datetime) -> date | None:
    """The team's month of that instant, with its row to book in; None: without a budget no month of it pays."""
    month = rules.month_of(at, team.time_zone)
    months.prepare(session, team.id, month)
    return session.scalar(select(BudgetMonth.month).where(BudgetMonth.team_id == team.id, BudgetMonth.month == month))


def adjust(session: Session, team_id: UUID, month: date, amount: Decimal) -> None:
    """Count a correction, up or down, as spent in the month. Only `costs` calls this, with the entry it books."""
    _spend(session, team_id, month, {"spent": BudgetMonth.spent + amount})


def count_job(session: Session, team: TeamFacts, at: datetime) -> None:
    """Count a job that is taken on at that instant; raises JobsPerDayReached and then counts nothing.

    Of any number of callers at once only as many pass as the limit has room for. A rolled back one counts nothing.
    """
    limit, day = queries.limits(session, team.id).jobs_per_day, rules.day_of(at, team.time_zone)
    first = insert(JobDay).values(team_id=team.id, day=day, jobs=1)
    counted = first.on_conflict_do_update(
        index_elements=["team_id", "day"],
        set_={"jobs": JobDay.jobs + 1},
        where=None if limit is None else JobDay.jobs < limit,
    ).returning(JobDay.jobs)
    if limit == 0 or session.scalar(counted) is None:
        raise JobsPerDayReached(
            limit="jobs_per_day",
            value=limit,
            used=queries.jobs_on(session, team.id, day),
            resets_at=f"{rules.begins_at(rules.next_day(day), team.time_zone):%Y-%m-%dT%H:%M:%SZ}",
            team=team.slug,
        )


def lock_storage(session: Session, team_id: UUID) -> None:
    """Let nobody else add up or add to what the team has stored before this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"storage:{team_id}", 0))))


def _move(session: Session, row: Reservation, *, freed: bool, spent: Decimal, tokens: int) -> None:
    """Move the totals of the reservation's month; `freed`: what is held for it is held no more."""
    session.flush()
    values = {"spent": BudgetMonth.spent + spent, "tokens_spent": BudgetMonth.tokens_spent + tokens}
    if freed:
        values["reserved"] = BudgetMonth.reserved - row.amount
        values["tokens_reserved"] = BudgetMonth.tokens_reserved - row.tokens
    _spend(session, row.team_id, row.month, values)


def _spend(session: Session, team_id: UUID, month: date, values: dict[str, Any]) -> None:
    """Change the month's totals, and tell what they have come to."""
    changed = (
        update(BudgetMonth)
        .where(BudgetMonth.team_id == team_id, BudgetMonth.month == month)
        .values(values)
        .returning(BudgetMonth.limit_amount, BudgetMonth.spent)
        .execution_options(synchronize_session=False)
    )
    for limit, spent in session.execute(changed):
        months.tell(session, team_id, month, limit=limit, spent=spent, at=clock.now())


def _refusal(session: Session, team: TeamFacts, wanted: dict[str, Any]) -> BudgetExceeded | TrainingTokensReached:
    """What stood in the way, as things stand now."""
    budget = queries.budget(session, team, wanted["at"])
    resets_at = f"{budget.resets_at:%Y-%m-%dT%H:%M:%SZ}"
    used = queries.tokens_in(session, team.id, wanted["month"])
    most, tokens = wanted["tokens_max"], wanted["tokens"]
    if budget.limit is not None and most is not None and 0 < tokens > most - used.spent - used.held:
        return TrainingTokensReached(
            limit="training_tokens_per_month", value=most, used=used.spent, held=used.held, asked=tokens,
            resets_at=resets_at, team=team.slug,
        )  # fmt: skip
    return _too_dear(budget, wanted["asked"], resets_at)


def _too_dear(budget: BudgetView, asked: Decimal, resets_at: str) -> BudgetExceeded:
    amounts = {"limit": budget.limit or money.ZERO, "spent": budget.spent, "held": budget.held, "left": budget.left}
    facts: dict[str, Any] = {
        name: amount if isinstance(amount, str) else money.text(amount)
        for name, amount in (*amounts.items(), ("asked", asked))
    }
    refusal = NoBudget if budget.limit is None else BudgetExceeded
    return refusal(**facts, currency=budget.currency, resets_at=resets_at)
