"""From taken on to queued: the price is held, a second person asked where one has to be, and the turn waited for."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy.orm import Session

from service import quotas, webhooks
from service.jobs import progress, turns
from service.jobs.errors import MaxCostExceeded
from service.jobs.models import Job
from service.jobs.planning import Plan
from service.jobs.rules import State
from service.kit import ids, money, work
from service.kit.settings import settings

_PRIORITY_IS_WORTH: Final = timedelta(hours=1)  # of waiting, for each point: whoever waits long enough comes first


def take_up(session: Session, job: Job, plan: Plan, at: datetime) -> None:
    """Hold the job's price, and let it wait for its turn, or first for a second person's word.

    Raises MaxCostExceeded, BudgetExceeded or TrainingTokensReached, and then nothing is held.
    """
    freeze(job, plan)
    limits = quotas.limits(session, plan.team.id)
    if limits.asks_approval(plan.cost):
        _ask(session, job, limits.approval_above, at)
    else:
        queue(session, job, at, f"Queued to train {job.base_model}{_for_epochs(job)}.")
    session.flush()
    # Last, so that the lock on the team's hot budget row is as short as it can be.
    quotas.reserve(
        session, plan.team, job.id, plan.cost,
        base_model=job.base_model, at=at, tokens=plan.tokens, tokens_max=limits.training_tokens_per_month,
    )  # fmt: skip


def freeze(job: Job, plan: Plan) -> None:
    """Write down what the job may cost, and what its data give reason to say. Raises MaxCostExceeded."""
    if job.max_cost is not None and plan.cost > job.max_cost:
        raise MaxCostExceeded(
            asked=money.text(plan.cost),
            max_cost=money.text(job.max_cost),
            currency=plan.price.currency,
            pointer="#/budget/max_cost",
        )
    quote = plan.quote
    job.billed_tokens, job.epochs, job.epochs_priced = quote.tokens_per_epoch, quote.epochs, quote.epochs_priced
    job.price_id, job.reserved = plan.price.id, plan.cost
    job.estimated_low, job.estimated_expected = quote.low, quote.expected
    said = {one.code: one.model_dump() for one in plan.warnings}
    job.warnings = [*(one for one in job.warnings if one["code"] not in said), *said.values()]


def _for_epochs(job: Job) -> str:
    return f" for {job.epochs} epochs" if job.epochs else ""


def _ask(session: Session, job: Job, above: Decimal | None, at: datetime) -> None:
    """Let the job wait for a second person; nothing of it goes to the provider before."""
    job.approval_above = above
    job.approval_expires_at = at + timedelta(seconds=settings().approval_seconds)
    price = f"{money.text(job.reserved)} {money.CURRENCY}"
    message = f"At {price} it waits for a second person's approval until {job.approval_expires_at:%Y-%m-%dT%H:%M:%SZ}."
    progress.enter(session, job, State.AWAITING_APPROVAL, message, at)
    webhooks.publish(
        session, job.team_id, webhooks.EventType.APPROVAL_REQUESTED, at,
        id=ids.show("job", job.id), price=money.text(job.reserved), currency=money.CURRENCY,
        requested_by=job.created_by, expires_at=f"{job.approval_expires_at:%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    work.wait_until(job, job.approval_expires_at)


def queue(session: Session, job: Job, at: datetime, message: str) -> None:
    """Let the job wait for its turn."""
    job.queued_at = at
    job.turn_at = at - job.priority * _PRIORITY_IS_WORTH
    progress.enter(session, job, State.QUEUED, message, at)
    turns.wait(job)
