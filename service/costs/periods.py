"""Billing periods: calendar months in UTC, which finance closes one after the other and can reopen, latest first."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from service import audit, quotas
from service.costs import posting, sealing
from service.costs.errors import EarlierPeriodOpen, LaterPeriodClosed, PeriodIsOpen, PeriodNotOver
from service.costs.models import BillingPeriod, LedgerEntry, PeriodSeal
from service.costs.reconciling.models import Reconciliation
from service.costs.rules import Period
from service.costs.schemas import PeriodView, PeriodWarning, SealView
from service.kit.identity import Actor
from service.kit.pages import Page, page_of

_BOUNDS: Final = select(
    select(func.min(LedgerEntry.posted_on)).scalar_subquery(),
    select(func.max(LedgerEntry.posted_on)).scalar_subquery(),
    select(func.min(BillingPeriod.month)).scalar_subquery(),
)
_SAYS: Final = {
    "held": "jobs of that month that still hold money: {count}. What they cost counts when they end",
    "accrued": "entries of our own reckoning that the provider has not confirmed: {count}",
    "unreconciled": "days whose entries were not found to match the provider's bill: {count}",
}


def close(session: Session, actor: Actor, period: Period, *, at: datetime) -> None:
    """Let nothing more count in the month. `seal_closed` has to follow, in a unit of its own.

    What is being booked at that moment is waited for. Again it changes nothing. Raises PeriodNotOver and
    EarlierPeriodOpen.
    """
    posting.take_ledger(session)
    if at < period.end:
        raise PeriodNotOver(month=str(period), ends=f"{period.end:%Y-%m-%d}")
    if posting.is_closed(session, period.month):
        return
    earlier = _open_before(session, period.month)
    if earlier is not None:
        raise EarlierPeriodOpen(month=str(period), earlier=f"{earlier:%Y-%m}")
    row = insert(BillingPeriod).values(
        month=period.month, state="closed", revision=1, changed_by=actor.name, changed_at=at
    )
    again = {
        "state": "closed",
        "revision": BillingPeriod.revision + 1,
        "changed_by": row.excluded.changed_by,
        "changed_at": row.excluded.changed_at,
    }
    session.execute(row.on_conflict_do_update(index_elements=["month"], set_=again))
    audit.record(session, actor, "period.closed", object_type="billing_period", object_id=str(period))


def reopen(session: Session, actor: Actor, period: Period, reason: str, *, at: datetime) -> None:
    """Let entries count in the month again; it has to be the latest that is closed. Its seals stay as they were.

    With the reason of the last time, and open since, it changes nothing. Raises PeriodIsOpen and LaterPeriodClosed.
    """
    sealing.alone(session)  # whoever is sealing it just now ends first
    posting.take_ledger(session)
    row = session.get(BillingPeriod, period.month, populate_existing=True)
    through = posting.closed_through(session)
    if through is None or period.month > through:
        if row is not None and row.reason == reason:
            return
        raise PeriodIsOpen(month=str(period))
    if row is None or period.month < through:
        raise LaterPeriodClosed(month=str(period), later=f"{through:%Y-%m}")
    row.state, row.reason, row.changed_by, row.changed_at = "open", reason, actor.name, at
    audit.record(
        session,
        actor,
        "period.reopened",
        object_type="billing_period",
        object_id=str(period),
        after={"reason": reason, "revision": row.revision},
    )


def show(session: Session, period: Period, *, team_id: UUID | None) -> PeriodView:
    """The month with what it holds so far or held when it was closed, and what is left to do; for a team its state."""
    view = _view(period, _rows(session, [period.month]).get(period.month), posting.closed_through(session))
    if team_id is not None:
        return view
    seal = _seals(session, [period.month]).get(period.month)
    if seal is None:
        _add_sums(session, view, period)
    else:
        _add_seal(view, seal)
    view.warnings = _warnings(session, period)
    return view


def list_periods(
    session: Session, *, after: Period | None, limit: int, at: datetime, team_id: UUID | None
) -> Page[PeriodView]:
    """Months from the present back to the first with entries, newest first; figures where they are closed."""
    present = quotas.month_of(at, "UTC")
    found = [day.replace(day=1) for day in session.execute(_BOUNDS).one() if day is not None]
    newest, oldest = max([present, *found]), min([present, *found])
    if after is not None:
        newest = min(newest, _before(after.month))
    months: list[date] = []
    while newest >= oldest and len(months) <= limit:
        months.append(newest)
        newest = _before(newest)
    shown, through = months[:limit], posting.closed_through(session)
    rows = _rows(session, shown)
    views = {month: _view(Period(month), rows.get(month), through) for month in shown}
    if team_id is None:
        for month, seal in _seals(session, shown).items():
            _add_seal(views[month], seal)
    return page_of(list(views.values()), has_more=len(months) > limit, id_of="month")


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _open_before(session: Session, month: date) -> date | None:
    """The first open month before this one that has entries, or was opened again."""
    through = posting.closed_through(session)
    entries = select(func.min(LedgerEntry.posted_on)).where(LedgerEntry.posted_on < month)
    if through is not None:
        entries = entries.where(LedgerEntry.posted_on >= quotas.next_month(through))
    reopened = select(func.min(BillingPeriod.month)).where(BillingPeriod.month < month, BillingPeriod.state == "open")
    found = [day.replace(day=1) for day in (session.scalar(entries), session.scalar(reopened)) if day is not None]
    return min(found, default=None)


def _rows(session: Session, months: list[date]) -> dict[date, BillingPeriod]:
    found = session.scalars(select(BillingPeriod).where(BillingPeriod.month.in_(months)))
    return {row.month: row for row in found}


def _seals(session: Session, months: list[date]) -> dict[date, PeriodSeal]:
    """The seals in force."""
    found = session.scalars(
        select(PeriodSeal).join(BillingPeriod, sealing.IN_FORCE).where(PeriodSeal.month.in_(months))
    )
    return {seal.month: seal for seal in found}


def _view(period: Period, row: BillingPeriod | None, through: date | None) -> PeriodView:
    is_closed = through is not None and period.month <= through
    return PeriodView(
        month=str(period),
        start=period.start,
        end=period.end,
        state="closed" if is_closed else "open",
        revision=row.revision if row else 0,
        reopened_because=row.reason if row and not is_closed else None,
        changed_at=row.changed_at if row else None,
        changed_by=row.changed_by if row else None,
    )


def _add_seal(view: PeriodView, seal: PeriodSeal) -> None:
    view.entries, view.total, view.seal = seal.entries, seal.total, SealView.of(seal)


def _add_sums(session: Session, view: PeriodView, period: Period) -> None:
    counted = select(func.count(), func.coalesce(func.sum(LedgerEntry.amount), 0)).where(*_in(period))
    view.entries, view.total = session.execute(counted).one()


def _in(period: Period) -> tuple[ColumnElement[bool], ...]:
    return LedgerEntry.posted_on >= period.start.date(), LedgerEntry.posted_on < period.end.date()


def _warnings(session: Session, period: Period) -> list[PeriodWarning]:
    """What may still come, and will count in a later month once this one is closed."""
    held = quotas.held_in([period.month], None).subquery()
    confirming = aliased(LedgerEntry)
    confirmed = exists().where(confirming.corrects == LedgerEntry.id, confirming.accrued)
    accrued = select(func.count(), func.coalesce(func.sum(LedgerEntry.amount), 0)).where(
        *_in(period), LedgerEntry.accrued, LedgerEntry.corrects.is_(None), ~confirmed
    )
    jobs = select(func.count(), func.coalesce(func.sum(held.c.amount), 0)).select_from(held)
    queries = {"held": jobs, "accrued": accrued, "unreconciled": _unreconciled(period)}
    found = {code: session.execute(query).one() for code, query in queries.items()}
    return [
        PeriodWarning(code=code, message=_SAYS[code].format(count=count), count=count, amount=amount)
        for code, (count, amount) in found.items()
        if count
    ]


def _unreconciled(period: Period) -> Select[int, Decimal]:
    """Days of accounts that were not compared with the provider's bill, or differ from it; and their entries' sum."""
    account = (Reconciliation.connection_id == LedgerEntry.connection_id, Reconciliation.day == LedgerEntry.posted_on)
    days = (
        select(func.sum(LedgerEntry.amount).label("amount"))
        .where(*_in(period), LedgerEntry.connection_id.is_not(None))
        .where(~exists().where(*account, Reconciliation.state == "matched"))
        .group_by(LedgerEntry.connection_id, LedgerEntry.posted_on)
        .subquery()
    )
    return select(func.count(), func.coalesce(func.sum(days.c.amount), 0)).select_from(days)
