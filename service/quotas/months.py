"""A month's row: how it is opened, what is carried into it, what is granted and taken back, and what is told of it.

Whoever opens a month takes the team's terms first, so that nobody sets others meanwhile: a month opened with what was
no more in force would keep it. The order of locks is terms, earlier month, later month, requests.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import webhooks
from service.kit import ids, money
from service.quotas import queries, rules
from service.quotas.models import BudgetAlert, BudgetMonth, BudgetRequest
from service.quotas.rules import Terms

FOR_UPDATE: Final[Any] = {"with_for_update": True, "populate_existing": True}
_PLATFORM: Final = func.hashtextextended("budget", 0)


def share_terms(session: Session, team_id: UUID) -> None:
    """Let nobody else set or use the team's terms, nor set the platform's, before this transaction ends."""
    own = func.hashtextextended(f"budget:{team_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock_shared(_PLATFORM), func.pg_advisory_xact_lock(own)))


def take_platform_terms(session: Session) -> None:
    """Let nobody else set or use anybody's terms before this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(_PLATFORM)))


def prepare(session: Session, team_id: UUID, month: date, *, without_budget: bool = False) -> None:
    """Write the month's row if it is not there and the team has a budget, or, asked for, even if it has none."""
    here = select(BudgetMonth.month).where(BudgetMonth.team_id == team_id, BudgetMonth.month == month)
    if session.scalar(here) is not None:
        return
    share_terms(session, team_id)
    if session.scalar(here) is not None:
        return
    terms = queries.terms(session, team_id)
    if terms.monthly_limit is not None or without_budget:
        _open(session, team_id, month, terms)


def _open(session: Session, team_id: UUID, month: date, terms: Terms) -> None:
    """Write the month's row, and where money is carried on, those of the months since the last one too.

    What is held of a month when the next is opened counts as used there, and what comes back of it later stays there.
    """
    before = None if terms.rollover_max == 0 else _last_before(session, team_id, month)
    if before is None:
        session.add(BudgetMonth(team_id=team_id, month=month, base_amount=terms.base))
        session.flush()
        return
    own = None if before.base_amount is None else before.base_amount + before.carried
    for amount in rules.carried_over(own, before.spent + before.reserved, terms, before.month, month):
        before.carried_out = amount
        following = rules.next_month(before.month)
        before = BudgetMonth(team_id=team_id, month=following, base_amount=terms.base, carried=amount)
        session.add(before)
    session.flush()


def _last_before(session: Session, team_id: UUID, month: date) -> BudgetMonth | None:
    """The last of the team's months before that one, for nobody else to change."""
    return session.scalar(
        select(BudgetMonth)
        .where(BudgetMonth.team_id == team_id, BudgetMonth.month < month)
        .order_by(BudgetMonth.month.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def take_back(session: Session, team_id: UUID, month: date, at: datetime) -> None:
    """Take what was granted in the month until `at` or before out of its limit again, and tell what that reaches."""
    row = session.get(BudgetMonth, (team_id, month), **FOR_UPDATE)
    if row is None or row.grants_until is None or row.grants_until > at:
        return
    standing = (
        BudgetRequest.team_id == team_id, BudgetRequest.month == month, BudgetRequest.state == "approved",
        BudgetRequest.taken_back_at.is_(None),
    )  # fmt: skip
    session.execute(
        update(BudgetRequest)
        .where(*standing, BudgetRequest.granted_until <= at)
        .values(taken_back_at=at)
        .execution_options(synchronize_session=False)
    )
    left = session.execute(
        select(
            func.coalesce(func.sum(BudgetRequest.granted_amount), money.ZERO), func.min(BudgetRequest.granted_until)
        ).where(*standing)
    ).one()
    row.granted, row.grants_until = left[0] or money.ZERO, left[1]
    session.flush()
    session.refresh(row, ["limit_amount"])
    tell(session, team_id, month, limit=row.limit_amount, spent=row.spent, at=at)


def take_back_grants(session: Session, at: datetime) -> None:
    """Take back whatever has expired of all teams. Nobody would be granted any of it anyway: see `reserve`."""
    expired = select(BudgetMonth.team_id, BudgetMonth.month).where(BudgetMonth.grants_until <= at)
    for team_id, month in session.execute(expired.order_by(BudgetMonth.team_id, BudgetMonth.month)).all():
        take_back(session, team_id, month, at)


def tell(session: Session, team_id: UUID, month: date, *, limit: Decimal | None, spent: Decimal, at: datetime) -> None:
    """Tell each threshold that the month's spending has come to, once for ever: by its row, with the event.

    For whoever has just changed the month's row and so holds it.
    """
    if limit is None or spent <= 0:
        return
    percents = rules.reached(limit, spent, queries.terms(session, team_id).thresholds)
    if percents:
        _tell(session, team_id, month, percents, limit=limit, spent=spent, at=at)


def _tell(
    session: Session, team_id: UUID, month: date, percents: Sequence[int], *, limit: Decimal, spent: Decimal,
    at: datetime,
) -> None:  # fmt: skip
    facts = {"team_id": team_id, "month": month, "limit_amount": limit, "spent": spent, "told_at": at}
    rows = insert(BudgetAlert).values([facts | {"percent": percent} for percent in percents])
    new = session.scalars(rows.on_conflict_do_nothing().returning(BudgetAlert.percent)).all()
    for percent in sorted(new):
        webhooks.publish(
            session, team_id, webhooks.EventType.BUDGET_THRESHOLD_REACHED, at,
            id=ids.show("team", team_id), month=f"{month:%Y-%m}", percent=percent,
            limit=money.text(limit), spent=money.text(spent), currency=money.CURRENCY,
        )  # fmt: skip
