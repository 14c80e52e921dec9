"""Booking what is left of a difference: claimed, booked and recorded in units of their own.

An entry is written as its team and a finding as an operator, never both in one transaction. So the amount is frozen
first, under a reference of its own; booked once under that reference, however often it is tried; and then recorded.
What is frozen and not recorded is still open: it may not be booked.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.costs import adjusting
from service.costs.adjusting import NO_METER, Adjustment
from service.costs.errors import AlreadyBooked
from service.costs.metering.queries import midnight
from service.costs.models import LedgerEntry
from service.costs.reconciling import queries
from service.costs.reconciling.commands import is_open, left_of
from service.costs.reconciling.models import Finding, Reconciliation
from service.costs.reconciling.rules import Cause, state_of
from service.costs.reconciling.sides import OWN
from service.kit import money
from service.kit.identity import Actor
from service.tenants import TeamFacts


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is to be booked about one finding."""

    finding_id: UUID
    revision: int
    amount: Decimal
    corrects: UUID | None
    connection_id: UUID
    provider: str
    day: date
    base_model: str | None
    meter: str | None


def claim(session_as_operator: Session, reconciliation: str, finding: str | None) -> list[Settlement]:
    """Freeze what is left, of one finding or of all that are no matter of time; one that was frozen stays so.

    Raises ReconciliationNotFound and FindingNotFound.
    """
    row = queries.the_day(session_as_operator, reconciliation)
    claimed = []
    for one in queries.chosen(session_as_operator, row, finding):
        if one.pending == 0 and is_open(one) and one.cause not in (Cause.TIMING, Cause.UNMAPPED_KEY):
            one.revision, one.pending = one.revision + 1, left_of(one)
        if one.pending:
            claimed.append(
                Settlement(
                    one.id,
                    one.revision,
                    one.pending,
                    one.corrects,
                    row.connection_id,
                    row.provider,
                    row.day,
                    one.base_model,
                    one.meter,
                )
            )
    return claimed


def book(
    session: Session, actor: Actor, team: TeamFacts | None, wanted: Settlement, *, reason: str, at: datetime
) -> None:
    """Book it, once, as an adjustment charged on that day. Needs a unit of the team, else an operator's."""
    adjustment = Adjustment(
        amount=wanted.amount,
        reason=reason,
        ext_ref=_reference(wanted),
        corrects=wanted.corrects,
        provider=wanted.provider,
        charged_at=midnight(wanted.day),
        meter=wanted.meter or NO_METER,
        connection_id=wanted.connection_id,
        base_model=wanted.base_model,
    )
    try:
        adjusting.adjust(session, actor, team, adjustment, at=at)
    except AlreadyBooked:
        return  # for another team or reason, by somebody who came first and did not come back to record it


def record(session_as_operator: Session, wanted: Settlement) -> None:
    """Write what the ledger says of it: booked, or, where it has no such entry, that nothing is frozen any more.

    The same reference is frozen next, so that whoever is still booking it and whoever claims it anew book it once.
    """
    session = session_as_operator
    row = _day_of(session, wanted.finding_id)
    one = session.get_one(Finding, wanted.finding_id, with_for_update=True)
    if one.revision > wanted.revision or (one.revision == wanted.revision and not one.pending):
        return  # somebody else recorded it
    amount = session.scalar(select(LedgerEntry.amount).where(LedgerEntry.ext_ref == _reference(wanted)))
    one.adjusted += amount or money.ZERO
    one.revision, one.pending = wanted.revision - (amount is None), money.ZERO
    session.flush()
    findings = session.scalars(select(Finding).where(Finding.reconciliation_id == row.id)).all()
    row.state = state_of([Cause(each.cause) for each in findings if is_open(each)])


def _day_of(session: Session, finding_id: UUID) -> Reconciliation:
    """Locked, and before its findings, as whoever compares the day does."""
    return session.scalars(
        select(Reconciliation)
        .join(Finding, Finding.reconciliation_id == Reconciliation.id)
        .where(Finding.id == finding_id)
        .with_for_update(of=Reconciliation)
    ).one()


def _reference(wanted: Settlement) -> str:
    return f"{OWN}{wanted.finding_id}:{wanted.revision}"
