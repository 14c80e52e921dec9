"""Reads of budgets and reservations."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from service.kit import money
from service.quotas import rules
from service.quotas.models import Budget, BudgetMonth, Reservation
from service.quotas.schemas import BudgetView
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


def held_in(month: date, team_id: UUID | None) -> Select[str, str, UUID, Decimal]:
    """What is held now for jobs in the teams' months of that name: slug, base model, job and amount, to be added up.

    `team_id` narrows it to one team.
    """
    held = select(Reservation.team_slug, Reservation.base_model, Reservation.job_id, Reservation.amount).where(
        Reservation.state == "held", Reservation.month == month
    )
    return held if team_id is None else held.where(Reservation.team_id == team_id)
