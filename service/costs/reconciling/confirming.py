"""Entries that we worked out ourselves, once the provider's bill agrees with them: they are settled."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import catalog
from service.costs import posting
from service.costs.adjusting import as_charged
from service.costs.models import LedgerEntry
from service.costs.posting import Posting
from service.kit import money
from service.kit.ids import show
from service.tenants import TeamFacts


def owners(session_as_operator: Session, entries: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Whose these entries are: team → its entries. One of nobody's is left out: no training is."""
    found: dict[UUID, list[UUID]] = {}
    rows = session_as_operator.execute(
        select(LedgerEntry.id, LedgerEntry.team_id).where(LedgerEntry.id.in_(entries), LedgerEntry.team_id.is_not(None))
    )
    for row in rows:
        found.setdefault(row.team_id, []).append(row.id)
    return found


def confirm(session: Session, team: TeamFacts, entries: Collection[UUID], *, at: datetime) -> None:
    """Book a pair for each: the amount off what is accrued and on to what is settled. Sums stay as they are.

    Once for each entry: whoever comes second finds them. Needs a unit of the team.
    """
    posting.share_ledger(session)
    original = select(LedgerEntry).where(LedgerEntry.team_id == team.id, LedgerEntry.id.in_(entries))
    for entry in session.scalars(original.order_by(LedgerEntry.id)).all():
        done = select(LedgerEntry.id).where(LedgerEntry.ext_ref == _reference(entry, "settled"))
        if session.scalar(done) is None:
            owner = as_charged(team, entry)
            posting.post(session, owner, _half(session, entry, sign=-1, accrued=True), at=at)
            posting.post(session, owner, _half(session, entry, sign=1, accrued=False), at=at)


def _reference(entry: LedgerEntry, which: str) -> str:
    return f"confirmation:{entry.id}:{which}"


def _half(session: Session, entry: LedgerEntry, *, sign: int, accrued: bool) -> Posting:
    return Posting(
        kind="training",
        meter=entry.meter,
        amount=entry.amount * sign,
        charged_at=entry.charged_at,
        ext_ref=_reference(entry, "accrued" if accrued else "settled"),
        provider=entry.provider,
        description=f"Confirmed by the provider's bill: {show('entry', entry.id)} is no estimate any more",
        quantity=entry.quantity * sign,
        price=catalog.price_by_id(session, entry.price_id) if entry.price_id else None,
        estimated=money.ZERO,
        accrued=accrued,
        budget_month=entry.budget_month,
        job_id=entry.job_id,
        connection_id=entry.connection_id,
        provider_job_id=entry.provider_job_id,
        base_model=entry.base_model,
        model=entry.model,
        version_id=entry.version_id,
        corrects=entry.id,
    )
