"""Writes of the ledger. Each books an entry and settles the reservation behind it, in the caller's transaction."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from service import quotas
from service.catalog import PriceFacts
from service.costs import queries
from service.costs.models import LedgerEntry
from service.costs.rules import quote
from service.kit import ids, logs, money
from service.tenants import TeamFacts

log = logs.get(__name__)


def charge_training(
    session: Session,
    team: TeamFacts,
    *,
    job_id: UUID,
    provider: str,
    provider_job_id: str,
    base_model: str,
    model: str | None,
    price: PriceFacts,
    trained_tokens: int,
    at: datetime,
    accrued: bool = False,
) -> Decimal:
    """Book what the provider's job cost and settle the reservation of ours with it; returns the amount.

    Once for each provider's job: again, even at the same moment, changes nothing and returns the amount booked first,
    whatever is said this time. Two provider jobs of one job of ours are two bills, and both are booked. Nothing trained
    is nothing to book: the reservation is released. `accrued` marks an amount that we worked out ourselves.
    """
    if not provider_job_id:
        raise ValueError(f"job {job_id} has no provider job to be charged for")
    quotas.lock(session, team.id, job_id)  # a second charge of this job waits here, then finds the first one's entry
    ext_ref = f"charge:{provider}:{provider_job_id}"
    booked = queries.booked(session, team.id, ext_ref)
    if booked is not None:
        return booked
    if trained_tokens == 0:
        quotas.release(session, team.id, job_id)
        return money.ZERO
    amount = quote(price, trained_tokens)
    settlement = quotas.settle(session, team.id, job_id, amount)
    session.add(
        LedgerEntry(
            team_id=team.id,
            id=ids.new_id(),
            job_id=job_id,
            kind="training",
            debit_account=f"team:{team.slug}:training",
            credit_account=f"provider:{provider}",
            amount=amount,
            currency=price.currency,
            charged_at=at,
            budget_month=settlement.month,
            ext_ref=ext_ref,
            price_id=price.id,
            unit_price=price.amount,
            unit_quantity=price.unit_quantity,
            quantity=trained_tokens,
            base_model=base_model,
            model=model,
            description=f"Fine-tuning of {base_model} on {trained_tokens} tokens, {provider} job {provider_job_id}",
            team_slug=team.slug,
            team_name=team.name,
            cost_center=team.cost_center,
            product=team.product,
            environment=team.environment,
            accrued=accrued,
        )
    )
    session.flush()
    if settlement.overrun:
        log.warning("budget.overrun", team_id=str(team.id), job_id=str(job_id), amount=money.text(amount))
    return amount


def release(session: Session, team_id: UUID, job_id: UUID) -> None:
    """Give back what is held for a job that cost nothing; whatever it has cost stays booked."""
    quotas.release(session, team_id, job_id)
