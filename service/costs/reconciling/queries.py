"""Reads of reconciliation."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.costs.errors import FindingNotFound, ReconciliationNotFound
from service.costs.metering.queries import readings
from service.costs.reconciling.commands import is_open, left_of
from service.costs.reconciling.models import Finding, Reconciliation
from service.costs.reconciling.rules import Cause, DayState
from service.costs.reconciling.schemas import (
    FindingView,
    ReconciliationDetail,
    ReconciliationPage,
    ReconciliationView,
)
from service.costs.rules import Period
from service.kit import money
from service.kit.ids import UnknownId, read, show
from service.kit.pages import newest_first, page_of


@dataclass(frozen=True, slots=True)
class DayFilter:
    """Which days are asked for; what is None is any."""

    period: Period
    connection_id: UUID | None = None
    state: DayState | None = None


def list_days(session: Session, wanted: DayFilter, *, after: UUID | None, limit: int) -> ReconciliationPage:
    """Days, those compared first last; and how far each account has been read."""
    found = select(Reconciliation).where(
        Reconciliation.day >= wanted.period.start.date(), Reconciliation.day < wanted.period.end.date()
    )
    if wanted.connection_id is not None:
        found = found.where(Reconciliation.connection_id == wanted.connection_id)
    if wanted.state is not None:
        found = found.where(Reconciliation.state == wanted.state)
    rows, has_more = newest_first(session, found, Reconciliation.id, after=after, limit=limit)
    of_these = select(Finding).where(Finding.reconciliation_id.in_([row.id for row in rows])).order_by(Finding.id)
    findings = session.scalars(of_these).all()
    views = [_view(row, [one for one in findings if one.reconciliation_id == row.id]) for row in rows]
    page = page_of(views, has_more=has_more)
    return ReconciliationPage(**dict(page), accounts=readings(session))


def show_day(session: Session, reconciliation: str) -> ReconciliationDetail:
    """One day with every difference, those that are gone aside. Raises ReconciliationNotFound."""
    row = the_day(session, reconciliation)
    findings = session.scalars(
        select(Finding).where(Finding.reconciliation_id == row.id).order_by(Finding.id)
    ).all()  # fmt: skip
    shown = [one for one in findings if one.is_there or one.adjusted or one.pending]
    return ReconciliationDetail(**dict(_view(row, findings)), findings=[_finding_view(one) for one in shown])


def the_day(session: Session, reconciliation: str) -> Reconciliation:
    """Raises ReconciliationNotFound."""
    try:
        row = session.get(Reconciliation, read("recon", reconciliation))
    except UnknownId:
        row = None
    if row is None:
        raise ReconciliationNotFound(reconciliation=reconciliation)
    return row


def chosen(session_as_operator: Session, row: Reconciliation, finding: str | None) -> Sequence[Finding]:
    """The finding asked for, else all there are of the day; locked. Raises FindingNotFound."""
    found = select(Finding).where(Finding.reconciliation_id == row.id).order_by(Finding.id).with_for_update()
    all_there_are = session_as_operator.scalars(found).all()
    if finding is None:
        return all_there_are
    one = [each for each in all_there_are if show("find", each.id) == finding]
    if not one:
        raise FindingNotFound(finding=finding, reconciliation=show("recon", row.id), pointer="#/finding")
    return one


def _view(row: Reconciliation, findings: Sequence[Finding]) -> ReconciliationView:
    adjusted = sum((one.adjusted for one in findings), money.ZERO)
    residual = row.billed - row.booked - adjusted
    return ReconciliationView(
        id=show("recon", row.id),
        connection=show("conn", row.connection_id),
        provider=row.provider,
        day=row.day,
        state=DayState(row.state),
        currency=row.currency,
        billed=row.billed,
        booked=row.booked,
        adjusted=adjusted,
        residual=residual,
        rounding=residual - sum((left_of(one) for one in findings), money.ZERO),
        outside=row.outside,
        causes=sorted({Cause(one.cause) for one in findings if is_open(one)}),
        checked_at=row.checked_at,
    )


def _finding_view(one: Finding) -> FindingView:
    return FindingView(
        id=show("find", one.id),
        cause=Cause(one.cause),
        line_item=one.line_item,
        project=one.project or None,
        api_key=one.api_key or None,
        base_model=one.base_model,
        meter=one.meter,
        billed=one.billed,
        booked=one.booked,
        amount=one.amount,
        adjusted=one.adjusted,
        left=left_of(one),
        corrects=show("entry", one.corrects) if one.corrects else None,
        detail=one.detail,
        is_open=is_open(one),
        found_at=one.found_at,
    )
