"""Corrections of the ledger: an amount up or down that somebody decided on, with the reason, as an entry of its own."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service import audit, quotas
from service.costs import posting
from service.costs.errors import AlreadyBooked, BadChargeDay, UnknownEntry
from service.costs.models import LedgerEntry
from service.costs.posting import Posting
from service.costs.schemas import AdjustmentView
from service.kit import ids, money
from service.kit.identity import Actor
from service.tenants import TeamFacts

NO_METER: Final = "adjustment"
"""The meter of what corrects no measured charge."""
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An amount (signed, in the platform's currency) and why. `ext_ref` makes it the same one if it comes again.

    What corrects an entry is charged when that was, to whom and for what it was; the fields below `corrects` are then
    taken from it.
    """

    amount: Decimal
    reason: str
    ext_ref: str
    corrects: UUID | None = None
    provider: str = ""
    charged_at: datetime | None = None  # absent: when it is booked
    meter: str = NO_METER
    connection_id: UUID | None = None
    base_model: str | None = None
    model: str | None = None


def owner_of(session: Session, entry_id: UUID) -> UUID | None:
    """Whose entry it is; None: nobody's. Raises UnknownEntry."""
    found = session.execute(select(LedgerEntry.team_id).where(LedgerEntry.id == entry_id)).one_or_none()
    if found is None:
        raise UnknownEntry(entry=ids.show("entry", entry_id), pointer="#/corrects")
    owner: UUID | None = found.team_id
    return owner


def adjust(
    session: Session, actor: Actor, team: TeamFacts | None, wanted: Adjustment, *, at: datetime
) -> AdjustmentView:
    """Book it once, and count it in the budget that paid for what it corrects, else in the team's present one.

    Needs a unit of the team, or an operator's where no team owns it. Again, even at the same moment, it changes
    nothing and tells what was booked first. Raises UnknownEntry, BadChargeDay, and AlreadyBooked where `ext_ref` was
    something else.
    """
    posting.share_ledger(session)
    _one_at_a_time(session, wanted.ext_ref)
    booked = session.scalar(select(LedgerEntry).where(LedgerEntry.ext_ref == wanted.ext_ref))
    if booked is None:
        booked = _book(session, actor, team, wanted, at)
    elif not _is_same(booked, team, wanted):
        raise AlreadyBooked(ext_ref=wanted.ext_ref)
    return AdjustmentView.of(booked)


def _one_at_a_time(session: Session, ext_ref: str) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"adjustment:{ext_ref}", 0))))


def _is_same(booked: LedgerEntry, team: TeamFacts | None, wanted: Adjustment) -> bool:
    told = (team.id if team else None, money.amount(wanted.amount), wanted.reason, wanted.corrects)
    if told != (booked.team_id, booked.amount, booked.reason, booked.corrects):
        return False
    if wanted.corrects is not None:
        return True  # all else is the entry's
    about = (wanted.provider, wanted.base_model, wanted.model, wanted.charged_at or booked.charged_at)
    return about == (booked.provider, booked.base_model, booked.model, booked.charged_at)


def _book(session: Session, actor: Actor, team: TeamFacts | None, wanted: Adjustment, at: datetime) -> LedgerEntry:
    original = _original(session, team, wanted)
    if original is None:
        payer = quotas.open_month(session, team, at) if team else None
        entry = _plain(wanted, at)
    else:
        payer = _payer(session, team, original, at)
        entry = _correction(original, wanted)
    if not _FIRST <= entry.charged_at <= at:
        raise BadChargeDay(at=entry.charged_at.isoformat(), pointer="#/charged_at")
    owner = as_charged(team, original) if team and original else team
    entry_id = posting.post(session, owner, replace(entry, budget_month=payer, booked_by=actor.name), at=at)
    if team is not None and payer is not None:
        quotas.adjust(session, team.id, payer, entry.amount)
    booked = session.get_one(LedgerEntry, entry_id)
    _note(session, actor, booked)
    return booked


def _original(session: Session, team: TeamFacts | None, wanted: Adjustment) -> LedgerEntry | None:
    if wanted.corrects is None:
        return None
    found = session.get(LedgerEntry, wanted.corrects)
    if found is None or found.team_id != (team.id if team else None):
        raise UnknownEntry(entry=ids.show("entry", wanted.corrects), pointer="#/corrects")
    return found


def _payer(session: Session, team: TeamFacts | None, original: LedgerEntry, at: datetime) -> date | None:
    """The month that paid for the entry; once its period is closed the present one. What none paid, none pays."""
    if team is None or original.budget_month is None:
        return None
    is_closed = posting.is_closed(session, original.posted_on)
    return quotas.open_month(session, team, at) if is_closed else original.budget_month


def _plain(wanted: Adjustment, at: datetime) -> Posting:
    return Posting(
        kind="adjustment",
        meter=wanted.meter,
        amount=money.amount(wanted.amount),
        charged_at=wanted.charged_at or at,
        ext_ref=wanted.ext_ref,
        provider=wanted.provider,
        description=f"Adjustment: {wanted.reason}",
        connection_id=wanted.connection_id,
        base_model=wanted.base_model,
        model=wanted.model,
        reason=wanted.reason,
    )


def _correction(original: LedgerEntry, wanted: Adjustment) -> Posting:
    return Posting(
        kind="adjustment",
        meter=original.meter,
        amount=money.amount(wanted.amount),
        charged_at=original.charged_at,
        ext_ref=wanted.ext_ref,
        provider=original.provider,
        description=f"Correction of {ids.show('entry', original.id)}: {wanted.reason}",
        job_id=original.job_id,
        connection_id=original.connection_id,
        provider_job_id=original.provider_job_id,
        base_model=original.base_model,
        model=original.model,
        version_id=original.version_id,
        corrects=original.id,
        reason=wanted.reason,
        currency=original.currency,
    )


def as_charged(team: TeamFacts, original: LedgerEntry) -> TeamFacts:
    """The team as it was then: who was charged too much is who gets it back, whatever it is called or part of now."""
    return replace(
        team,
        slug=original.team_slug or team.slug,
        name=original.team_name or team.name,
        cost_center=original.cost_center,
        product=original.product,
        environment=original.environment,
    )


def _note(session: Session, actor: Actor, booked: LedgerEntry) -> None:
    audit.record(
        session,
        actor,
        "cost.adjusted",
        object_type="ledger_entry",
        object_id=ids.show("entry", booked.id),
        team_id=booked.team_id,
        after={
            "amount": money.text(booked.amount),
            "reason": booked.reason,
            "corrects": ids.show("entry", booked.corrects) if booked.corrects else None,
            "posted_on": booked.posted_on,
        },
    )
