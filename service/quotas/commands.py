"""Writes of limits, budgets and reservations. Each moves a month's totals together with the rows they are the sum of.

Two rows of a team are hot: its day (`count_job`) and its month (`reserve`, and what ends a reservation). They are
locked last, and the day before the month, so that nobody waits in a circle.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, catalog
from service.kit import ids, logs, money
from service.kit.identity import Actor
from service.quotas import queries, rules
from service.quotas.errors import BudgetExceeded, JobsPerDayReached, NoBudget
from service.quotas.models import Budget, BudgetMonth, JobDay, PlatformLimits, Reservation, TeamLimits
from service.quotas.rules import Settlement
from service.quotas.schemas import BudgetView, LimitsSet
from service.tenants import TeamFacts

log = logs.get(__name__)

_FOR_UPDATE: Final[Any] = {"with_for_update": True, "populate_existing": True}
# One statement, because the month's row is locked from here until the transaction ends and everybody else waits for it.
_GRANT: Final = text(
    """
    WITH granted AS (
        UPDATE budget_months SET reserved = reserved + :asked
        WHERE team_id = :team AND month = :month AND limit_amount - reserved - spent >= :asked
        RETURNING month
    )
    INSERT INTO reservations (team_id, job_id, team_slug, month, base_model, amount)
    SELECT :team, :job, :slug, month, :model, :asked FROM granted RETURNING month
    """
)


def set_budget(session: Session, actor: Actor, team: TeamFacts, monthly_limit: Decimal, *, at: datetime) -> BudgetView:
    """Give the team this limit for the month of `at` and all later ones; months before keep theirs.

    Below what is spent and held it only stops new grants.
    """
    month = rules.month_of(at, team.time_zone)
    before = queries.budget(session, team, at).limit
    standing = insert(Budget).values(team_id=team.id, monthly_limit=monthly_limit)
    changed = {"monthly_limit": standing.excluded.monthly_limit}
    session.execute(standing.on_conflict_do_update(index_elements=["team_id"], set_=changed))
    # A reservation may be opening this month or the next with the old limit just now: wait for its row, then change it.
    for opened in (month, rules.next_month(month)):
        _open(session, team.id, opened)
    session.execute(
        update(BudgetMonth)
        .where(BudgetMonth.team_id == team.id, BudgetMonth.month >= month)
        .values(limit_amount=monthly_limit)
    )
    audit.record(
        session,
        actor,
        "budget.set",
        object_type="budget",
        object_id=ids.show("team", team.id),
        team_id=team.id,
        before=None if before is None else {"monthly_limit": money.text(before)},
        after={"monthly_limit": money.text(monthly_limit)},
    )
    return queries.budget(session, team, at)


def reserve(session: Session, team: TeamFacts, job_id: UUID, amount: Decimal, *, base_model: str, at: datetime) -> None:
    """Hold the most a job may cost, until it is settled or released; raises BudgetExceeded and then holds nothing.

    Of any number of callers at once only those are granted whose money fits together. Call it last in the transaction:
    until that ends, the team's other grants wait. A job is granted once: a second time is an integrity error.
    """
    asked = money.amount(amount)
    if asked < 0:
        raise ValueError(f"cannot hold {asked}")
    month = rules.month_of(at, team.time_zone)
    wanted = {
        "team": team.id, "month": month, "job": job_id, "slug": team.slug, "model": base_model, "asked": asked,
    }  # fmt: skip
    if session.scalar(_GRANT, wanted) is None:
        _open(session, team.id, month)
        if session.scalar(_GRANT, wanted) is None:
            raise _refusal(queries.budget(session, team, at), asked)


def change(session: Session, team: TeamFacts, job_id: UUID, amount: Decimal, *, at: datetime) -> None:
    """Hold so much for the job instead, in the same month; raises BudgetExceeded and then holds what it did.

    For a job whose money is held. Call it last in the transaction, as `reserve`.
    """
    asked = money.amount(amount)
    row = session.get_one(Reservation, (team.id, job_id), **_FOR_UPDATE)
    more = asked - row.amount
    row.amount = asked
    session.flush()
    month = update(BudgetMonth).where(BudgetMonth.team_id == team.id, BudgetMonth.month == row.month)
    if more > 0:
        month = month.where(BudgetMonth.limit_amount - BudgetMonth.reserved - BudgetMonth.spent >= more)
    changed = month.values(reserved=BudgetMonth.reserved + more).returning(BudgetMonth.month)
    if session.scalar(changed) is None:
        raise _refusal(queries.budget(session, team, at), more)


def lock(session: Session, team_id: UUID, job_id: UUID) -> Decimal:
    """Let nobody else settle or release the job's reservation before this transaction ends; what was held by it."""
    return session.get_one(Reservation, (team_id, job_id), **_FOR_UPDATE).amount


def settle(session: Session, team_id: UUID, job_id: UUID, actual: Decimal, *, beside: bool = False) -> Settlement:
    """Turn what is held for the job into `actual` spent, to whatever it comes: a bill is never refused.

    Not once but for each charge, because each counts: a second one, or one after a release, finds nothing held any more
    and is an overrun. So is one that comes `beside` the job's own: what is held waits for that. That no charge comes
    twice is the ledger's promise, so only `costs` calls this.
    """
    row = session.get_one(Reservation, (team_id, job_id), **_FOR_UPDATE)
    is_kept = beside and row.state == "held"
    freed = row.amount if row.state == "held" and not is_kept else money.ZERO
    over = actual > freed
    if not is_kept:
        row.state, row.ended_at = "settled", row.ended_at or func.now()
    row.settled_amount += actual
    row.overrun = row.overrun or over
    _move(session, row, freed=freed, spent=actual)
    if over:
        log.warning("budget.overrun", team_id=str(team_id), job_id=str(job_id), held=str(freed), actual=str(actual))
    return Settlement(row.month, over)


def release(session: Session, team_id: UUID, job_id: UUID) -> None:
    """Give back what is held for the job, if anything is."""
    row = session.get(Reservation, (team_id, job_id), **_FOR_UPDATE)
    if row is not None and row.state == "held":
        row.state, row.ended_at = "released", func.now()
        _move(session, row, freed=row.amount, spent=money.ZERO)


def open_month(session: Session, team: TeamFacts, at: datetime) -> date | None:
    """The team's month of that instant, with its row to book in; None: without a budget no month of it pays."""
    month = rules.month_of(at, team.time_zone)
    _open(session, team.id, month)
    return session.scalar(select(BudgetMonth.month).where(BudgetMonth.team_id == team.id, BudgetMonth.month == month))


def adjust(session: Session, team_id: UUID, month: date, amount: Decimal) -> None:
    """Count a correction, up or down, as spent in the month. Only `costs` calls this, with the entry it books."""
    session.execute(
        update(BudgetMonth)
        .where(BudgetMonth.team_id == team_id, BudgetMonth.month == month)
        .values(spent=BudgetMonth.spent + amount)
    )


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


def set_platform_limits(session: Session, actor: Actor, wanted: LimitsSet) -> None:
    """Replace what holds for every team that has nothing else set. Raises UnknownBaseModel."""
    after = _words(session, wanted)
    before = _replace(session, PlatformLimits, {"id": 1}, after)
    audit.record(
        session, actor, "limits.set", object_type="limits", object_id="platform", before=before, after=after
    )  # fmt: skip


def set_team_limits(session: Session, actor: Actor, team: TeamFacts, wanted: LimitsSet) -> None:
    """Replace what is set for the team itself; what is absent it inherits. Raises UnknownBaseModel."""
    after = _words(session, wanted)
    before = _replace(session, TeamLimits, {"team_id": team.id}, after)
    audit.record(
        session,
        actor,
        "limits.set",
        object_type="limits",
        object_id=ids.show("team", team.id),
        team_id=team.id,
        before=before,
        after=after,
    )


def _words(session: Session, wanted: LimitsSet) -> dict[str, Any]:
    """What was given, with the snapshots that its models stand for today: an alias may stand for another one later."""
    words = wanted.words()
    if isinstance(wanted.allowed_models, list):
        found = [
            catalog.snapshots(session, name, pointer=f"#/allowed_models/{n}")
            for n, name in enumerate(wanted.allowed_models)
        ]
        words["allowed_models"] = sorted({one for snapshots in found for one in snapshots})
    return words


def _replace(
    session: Session, table: type[PlatformLimits | TeamLimits], key: dict[str, Any], words: rules.Words
) -> rules.Words | None:
    """Put these words in the place of those that are there, and return the latter."""
    before = session.scalar(select(table.limits).filter_by(**key).with_for_update())
    row = insert(table).values(**key, limits=words)
    session.execute(row.on_conflict_do_update(index_elements=list(key), set_={"limits": row.excluded.limits}))
    return before


def _open(session: Session, team_id: UUID, month: date) -> None:
    """Write the month's row with the standing limit, unless it is there or there is no limit."""
    standing = select(Budget.team_id, literal(month), Budget.monthly_limit).where(Budget.team_id == team_id)
    session.execute(
        insert(BudgetMonth).from_select(["team_id", "month", "limit_amount"], standing).on_conflict_do_nothing()
    )


def _move(session: Session, row: Reservation, *, freed: Decimal, spent: Decimal) -> None:
    session.flush()
    session.execute(
        update(BudgetMonth)
        .where(BudgetMonth.team_id == row.team_id, BudgetMonth.month == row.month)
        .values(reserved=BudgetMonth.reserved - freed, spent=BudgetMonth.spent + spent)
    )


def _refusal(budget: BudgetView, asked: Decimal) -> BudgetExceeded:
    amounts = {"limit": budget.limit or money.ZERO, "spent": budget.spent, "held": budget.held, "left": budget.left}
    facts: dict[str, Any] = {name: money.text(amount) for name, amount in (*amounts.items(), ("asked", asked))}
    refusal = NoBudget if budget.limit is None else BudgetExceeded
    return refusal(**facts, currency=budget.currency, resets_at=f"{budget.resets_at:%Y-%m-%dT%H:%M:%SZ}")
