"""Reads of the ledger."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.costs.models import LedgerEntry


def booked(session: Session, team_id: UUID, ext_ref: str) -> Decimal | None:
    """The amount booked for a bill of the provider; None when it is not in the ledger yet."""
    return session.scalar(
        select(LedgerEntry.amount).where(LedgerEntry.team_id == team_id, LedgerEntry.ext_ref == ext_ref)
    )
