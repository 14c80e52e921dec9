"""Writes of the ledger. Each books an entry and settles the reservation behind it, in the caller's transaction."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from service import quotas
from service.catalog import PriceFacts
from service.costs import posting, queries
from service.costs.metering.commands import own_model
from service.costs.posting import Posting
from service.costs.rules import quote
from service.kit import money
from service.tenants import TeamFacts


def charge_training(
    session: Session,
    team: TeamFacts,
    *,
    job_id: UUID,
    connection_id: UUID | None,
    provider: str,
    provider_job_id: str,
    base_model: str,
    model: str | None,
    price: PriceFacts,
    quantity: int,  # tokens, or seconds of training where the price is by the hour
    at: datetime,
    accrued: bool = False,  # the amount was worked out by us, not told by the provider
    beside: bool = False,  # a second provider's job for ours: what is held for the first is left alone
) -> Decimal:
    """Book what the provider's job cost and settle the reservation of ours with it; returns the amount.

    Once for each provider's job: again, even at the same moment, changes nothing and returns the amount first booked.
    Two provider jobs for one of ours are two bills. Nothing trained books nothing and releases the reservation.
    """
    if not provider_job_id:
        raise ValueError(f"job {job_id} has no provider job to be charged for")
    posting.share_ledger(session)  # before any row: who wants the ledger alone must not wait for one we hold
    held = quotas.lock(session, team.id, job_id)  # a second charge waits here, then finds the first one's entry
    ext_ref = f"charge:{provider}:{provider_job_id}"
    booked = queries.booked(session, team.id, ext_ref)
    if booked is not None:
        return booked
    if quantity == 0:
        if not beside:
            quotas.release(session, team.id, job_id)
        return money.ZERO
    amount = quote(price, quantity)
    tokens = quantity if price.meter == "training_tokens" else 0
    settlement = quotas.settle(session, team.id, job_id, amount, tokens=tokens, beside=beside)
    if model is not None:
        own_model(session, team.id, model, connection_id=connection_id, base_model=base_model)
    posting.post(
        session,
        team,
        Posting(
            kind="training",
            meter=price.meter,
            amount=amount,
            charged_at=at,
            ext_ref=ext_ref,
            provider=provider,
            description=f"Fine-tuning of {base_model} {_measured(price, quantity)}, {provider} job {provider_job_id}",
            quantity=quantity,
            price=price,
            estimated=money.ZERO if beside else held,
            accrued=accrued,
            budget_month=settlement.month,
            job_id=job_id,
            connection_id=connection_id,
            provider_job_id=provider_job_id,
            base_model=base_model,
            model=model,
        ),
        at=at,
    )
    return amount


def _measured(price: PriceFacts, quantity: int) -> str:
    return f"on {quantity} tokens" if price.meter == "training_tokens" else f"for {quantity} seconds"


def release(session: Session, team_id: UUID, job_id: UUID) -> None:
    """Give back what is held for a job that cost nothing; whatever it has cost stays booked."""
    quotas.release(session, team_id, job_id)
