"""Reads of budgets, reservations and limits."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from service.kit import money
from service.quotas import rules
from service.quotas.errors import StorageLimitReached
from service.quotas.models import (
    Budget,
    BudgetAlert,
    BudgetMonth,
    BudgetRequest,
    JobDay,
    PlatformBudget,
    PlatformLimits,
    Reservation,
    TeamLimits,
)
from service.quotas.rules import Limits, Rates, Share, Terms, Words
from service.quotas.schemas import BudgetView, LimitsView, PlatformBudgetView
from service.tenants import TeamFacts


class Given(NamedTuple):
    """What operators have set, as they said it."""

    team: Words
    platform: Words


class Standing(NamedTuple):
    """A month as it stands; `base` is None where it is unlimited. `granted` without what has expired."""

    base: Decimal | None
    carried: Decimal
    granted: Decimal
    carried_out: Decimal
    spent: Decimal
    held: Decimal


class Tokens(NamedTuple):
    """Tokens of a month: trained on, and held for jobs under way."""

    spent: int
    held: int


def given_terms(session: Session, team_id: UUID | None) -> Given:
    """The words about the budget that are in the tables; of no team those of the platform alone."""
    own = select(Budget.terms).where(Budget.team_id == team_id).scalar_subquery()
    row = session.execute(select(own, select(PlatformBudget.terms).scalar_subquery())).one()
    return Given(row[0] or {}, row[1] or {})


def terms(session: Session, team_id: UUID) -> Terms:
    """The terms in force for the team's budget."""
    return rules.terms(*given_terms(session, team_id))


def budget(session: Session, team: TeamFacts, at: datetime) -> BudgetView:
    """The team's budget for the month of that instant in its time zone."""
    month = rules.month_of(at, team.time_zone)
    given = given_terms(session, team.id)
    terms = rules.terms(*given)
    there = _standing(session, team.id, month, at)
    is_set = there is not None or terms.monthly_limit is not None
    here = there or Standing(terms.base, _to_be_carried(session, team.id, month, terms), *[money.ZERO] * 4)
    limit = None if here.base is None else here.base + here.carried + here.granted
    left = None if limit is None else rules.left(limit, here.spent + here.carried_out, here.held)
    return BudgetView(
        team=team.slug,
        month=f"{month:%Y-%m}",
        limit=_shown(limit) if is_set else None,
        origin=rules.in_force(*given, rules.BUDGET_DEFAULTS)["monthly_limit"][1],
        base=_shown(here.base) if is_set else None,
        carried=here.carried,
        granted=here.granted,
        spent=here.spent,
        held=here.held,
        left=_shown(left),
        rollover_max=_shown(terms.rollover_max),
        thresholds=list(terms.thresholds),
        told=_told(session, team.id, month),
        currency=money.CURRENCY,
        resets_at=rules.begins_at(rules.next_month(month), team.time_zone),
    )


def platform_budget(session: Session) -> PlatformBudgetView:
    """What holds for every team that has nothing else set."""
    return PlatformBudgetView.of(rules.in_force({}, given_terms(session, None).platform, rules.BUDGET_DEFAULTS))


def _shown(amount: Decimal | None) -> Any:
    return rules.UNLIMITED if amount is None else amount


def _standing(session: Session, team_id: UUID, month: date, at: datetime) -> Standing | None:
    granted = (
        select(func.coalesce(func.sum(BudgetRequest.granted_amount), money.ZERO))
        .where(
            BudgetRequest.team_id == team_id,
            BudgetRequest.month == month,
            BudgetRequest.state == "approved",
            BudgetRequest.taken_back_at.is_(None),
            BudgetRequest.granted_until > at,
        )
        .scalar_subquery()
    )
    found = session.execute(
        select(BudgetMonth, granted).where(BudgetMonth.team_id == team_id, BudgetMonth.month == month),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if found is None:
        return None
    row, granted_now = found
    return Standing(row.base_amount, row.carried, granted_now or money.ZERO, row.carried_out, row.spent, row.reserved)


def _to_be_carried(session: Session, team_id: UUID, month: date, terms: Terms) -> Decimal:
    """What the month would be carried if it were opened now."""
    if terms.rollover_max == 0 or terms.monthly_limit is None:
        return money.ZERO
    last = session.scalar(
        select(BudgetMonth)
        .where(BudgetMonth.team_id == team_id, BudgetMonth.month < month)
        .order_by(BudgetMonth.month.desc())
        .limit(1)
    )
    if last is None:
        return money.ZERO
    own = None if last.base_amount is None else last.base_amount + last.carried
    return rules.carried_over(own, last.spent + last.reserved, terms, last.month, month)[-1]


def _told(session: Session, team_id: UUID, month: date) -> list[int]:
    told = select(BudgetAlert.percent).where(BudgetAlert.team_id == team_id, BudgetAlert.month == month)
    return sorted(session.scalars(told))


def tokens_in(session: Session, team_id: UUID, month: date) -> Tokens:
    """What is trained on and held of the month's tokens."""
    counts = select(BudgetMonth.tokens_spent, BudgetMonth.tokens_reserved)
    found = session.execute(counts.where(BudgetMonth.team_id == team_id, BudgetMonth.month == month)).one_or_none()
    return Tokens(*found) if found else Tokens(0, 0)


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


class HeldJob(NamedTuple):
    """A job that something is held for."""

    team_id: UUID
    job_id: UUID


def held_jobs(session: Session, *, after: HeldJob | None, limit: int) -> list[HeldJob]:
    """So many jobs of all teams that something is held for, in order of team and job, after that one."""
    key = tuple_(Reservation.team_id, Reservation.job_id)
    held = select(Reservation.team_id, Reservation.job_id).where(Reservation.state == "held")
    if after is not None:
        held = held.where(key > after)
    return [HeldJob(*row) for row in session.execute(held.order_by(key).limit(limit))]


def held_for(session: Session, team_id: UUID, job_id: UUID) -> Decimal | None:
    """What is held for the job, for nobody else to change before this transaction ends; None: nothing is."""
    held = select(Reservation.amount).where(Reservation.team_id == team_id, Reservation.job_id == job_id)
    return session.scalar(held.where(Reservation.state == "held").with_for_update())


def given(session: Session, team_id: UUID | None) -> Given:
    """What is set for the team, and for the platform; for no team, only the latter."""
    row = session.execute(
        select(
            select(TeamLimits.limits).where(TeamLimits.team_id == team_id).limit(1).scalar_subquery(),
            select(PlatformLimits.limits).scalar_subquery(),
        )
    ).one()
    return Given(row[0] or {}, row[1] or {})


def limits(session: Session, team_id: UUID) -> Limits:
    """The limits in force for the team: its own, else the platform's, else the defaults."""
    return rules.limits(*given(session, team_id))


def rates(session_as_auth: Session, team_id: UUID) -> Rates:
    """How often the team and each of its keys may ask."""
    return rules.rates(limits(session_as_auth, team_id))


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
    day, month = rules.day_of(at, team.time_zone), rules.month_of(at, team.time_zone)
    tokens = tokens_in(session, team.id, month)
    return LimitsView.of(
        team.slug,
        rules.in_force(*given(session, team.id)),
        {
            "concurrent_jobs": {"used": running},
            "storage_bytes": {"used": stored},
            "jobs_per_day": {
                "used": jobs_on(session, team.id, day),
                "resets_at": rules.begins_at(rules.next_day(day), team.time_zone),
            },
            "training_tokens_per_month": {
                "used": tokens.spent,
                "held": tokens.held,
                "resets_at": rules.begins_at(rules.next_month(month), team.time_zone),
            },
        },
    )


def show_platform_limits(session: Session) -> LimitsView:
    """What holds for every team that has nothing else set."""
    return LimitsView.of(None, rules.in_force({}, given(session, None).platform))
