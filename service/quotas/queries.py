"""Reads of budgets, reservations and limits."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from service.kit import money
from service.quotas import rules
from service.quotas.errors import StorageLimitReached
from service.quotas.models import Budget, BudgetMonth, JobDay, PlatformLimits, Reservation, TeamLimits
from service.quotas.rules import Limits, Share, Words
from service.quotas.schemas import BudgetView, LimitsView
from service.tenants import TeamFacts


def budget(session: Session, team: TeamFacts, at: datetime) -> BudgetView:
    """The team's budget for the month of that instant in its time zone."""
    month = rules.month_of(at, team.time_zone)
    found = session.execute(
        select(
            func.coalesce(BudgetMonth.limit_amount, Budget.monthly_limit),  # a month opens with its first reservation
            func.coalesce(BudgetMonth.spent, 0),
            func.coalesce(BudgetMonth.reserved, 0),
        )
        .select_from(Budget)
        .outerjoin(BudgetMonth, and_(BudgetMonth.team_id == Budget.team_id, BudgetMonth.month == month))
        .where(Budget.team_id == team.id)
    ).one_or_none()
    limit, spent, held = found or (None, money.ZERO, money.ZERO)
    return BudgetView(
        team=team.slug,
        month=f"{month:%Y-%m}",
        limit=limit,
        spent=spent,
        held=held,
        left=rules.left(limit, spent, held),
        currency=money.CURRENCY,
        resets_at=rules.begins_at(rules.next_month(month), team.time_zone),
    )


def held_in(months: Sequence[date], team_id: UUID | None) -> Select[UUID, str, str, UUID, date, Decimal]:
    """What is held now for jobs in the teams' months of those names: team, slug, base model, job, month and amount.

    `team_id` narrows it to one team.
    """
    held = select(
        Reservation.team_id,
        Reservation.team_slug,
        Reservation.base_model,
        Reservation.job_id,
        Reservation.month,
        Reservation.amount,
    ).where(Reservation.state == "held", Reservation.month.in_(months))
    return held if team_id is None else held.where(Reservation.team_id == team_id)


class Given(NamedTuple):
    """What operators have set, as they said it."""

    team: Words
    platform: Words


def given(session: Session, team_id: UUID | None) -> Given:
    """What is set for the team, and for the platform; for no team, only the latter."""
    row = session.execute(
        select(
            select(TeamLimits.limits).where(TeamLimits.team_id == team_id).scalar_subquery(),
            select(PlatformLimits.limits).scalar_subquery(),
        )
    ).one()
    return Given(row[0] or {}, row[1] or {})


def limits(session: Session, team_id: UUID) -> Limits:
    """The limits in force for the team: its own, else the platform's, else the defaults."""
    return rules.limits(*given(session, team_id))


def check_job(session: Session, team: TeamFacts, *, model: str, method: str) -> None:
    """Raises NotAllowed where the team may not train that snapshot by that method. Counts nothing: see `count_job`."""
    refused = rules.refusal(limits(session, team.id), team.slug, model=model, method=method)
    if refused is not None:
        raise refused


def check_storage(session: Session, team: TeamFacts, *, used: int, asked: int) -> None:
    """Raises StorageLimitReached where so many more bytes do not fit. Whoever owns what is stored knows `used`."""
    value = limits(session, team.id).storage_bytes
    if value is not None and used + asked > value:
        raise StorageLimitReached(
            limit="storage_bytes", value=value, used=used, asked=asked, resets_at=None, team=team.slug
        )


def shares(session_as_worker: Session) -> Callable[[UUID], Share]:
    """What each team may have of the slots, to be asked for by its id."""
    platform: Words = session_as_worker.scalar(select(PlatformLimits.limits)) or {}
    rows = session_as_worker.execute(select(TeamLimits.team_id, TeamLimits.limits))
    of_teams = {team_id: _share(words, platform) for team_id, words in rows}
    others = _share({}, platform)
    return lambda team_id: of_teams.get(team_id, others)


def _share(team: Words, platform: Words) -> Share:
    standing = rules.limits(team, platform)
    return Share(standing.weight, standing.concurrent_jobs)


def jobs_on(session: Session, team_id: UUID, day: date) -> int:
    """How many jobs the team has submitted on that day of its calendar."""
    return session.scalar(select(JobDay.jobs).where(JobDay.team_id == team_id, JobDay.day == day)) or 0


def show_limits(session: Session, team: TeamFacts, at: datetime, *, running: int, stored: int) -> LimitsView:
    """The team's limits in force, whose word each is, and what of them is used.

    `running` is how many jobs hold a slot now, `stored` how many bytes its datasets have: whoever owns these knows.
    """
    day = rules.day_of(at, team.time_zone)
    return LimitsView.of(
        team.slug,
        rules.in_force(*given(session, team.id)),
        running=running,
        stored=stored,
        today=jobs_on(session, team.id, day),
        resets_at=rules.begins_at(rules.next_day(day), team.time_zone),
    )


def show_platform_limits(session: Session) -> LimitsView:
    """What holds for every team that has nothing else set."""
    return LimitsView.of(None, rules.in_force({}, given(session, None).platform))
