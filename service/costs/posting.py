"""The one way into the ledger: what is booked, by whom, and on which day it counts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from service.catalog import PriceFacts
from service.costs.models import BillingPeriod, LedgerEntry
from service.costs.rules import priced_quantity
from service.kit import clock, ids, money
from service.tenants import TeamFacts

_LEDGER: Final = func.hashtextextended("ledger", 0)
Kind = Literal["training", "inference", "adjustment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """An amount, and what explains it. `price` is the row it was reckoned with; an adjustment may have none.

    `ext_ref` is whatever makes it the same bill if it comes again.
    """

    kind: Kind
    meter: str
    amount: Decimal
    charged_at: datetime
    ext_ref: str
    provider: str
    description: str
    quantity: int = 0
    price: PriceFacts | None = None
    estimated: Decimal = money.ZERO
    accrued: bool = False
    budget_month: date | None = None  # the team's month that pays it; None: no budget does
    job_id: UUID | None = None
    connection_id: UUID | None = None
    provider_job_id: str | None = None
    base_model: str | None = None
    model: str | None = None
    version_id: UUID | None = None
    corrects: UUID | None = None
    reason: str | None = None
    booked_by: str = "worker"
    currency: str = money.CURRENCY


def share_ledger(session: Session) -> None:
    """Say that this transaction may book. Whoever takes the ledger alone waits for it; others that book do not."""
    session.execute(select(func.pg_advisory_xact_lock_shared(_LEDGER)))


def take_ledger(session: Session) -> None:
    """Have the ledger alone until this transaction ends: all that was booked is seen, and nothing is on its way."""
    session.execute(select(func.pg_advisory_xact_lock(_LEDGER)))


def post(session: Session, team: TeamFacts | None, posting: Posting, *, at: datetime) -> UUID:
    """Write the entry; its id. Moves no budget: the caller does. The same bill again is an integrity error.

    `at` is when it is booked. What was charged in a month that is closed counts on that day instead. Without a team it
    is unallocated; only an operator's unit may book that.
    """
    share_ledger(session)
    entry, day = ids.new_id(), _counts_on(session, posting.charged_at, at)
    session.execute(insert(LedgerEntry).values(id=entry, posted_on=day, **_owner(team, posting), **_facts(posting)))
    return entry


def closed_through(session: Session) -> date | None:
    """The latest closed month; nothing counts in it or before any more. It stays so while one shares the ledger."""
    return session.scalar(select(func.max(BillingPeriod.month)).where(BillingPeriod.state == "closed"))


def is_closed(session: Session, day: date) -> bool:
    """Whether nothing more may count on that day."""
    through = closed_through(session)
    return through is not None and day.replace(day=1) <= through


def _counts_on(session: Session, charged_at: datetime, at: datetime) -> date:
    """The day of the charge, else of the booking, else today: the first that lies in no closed month."""
    through = closed_through(session)
    days = [moment.astimezone(UTC).date() for moment in (charged_at, at, clock.now())]
    return next((day for day in days if through is None or day.replace(day=1) > through), days[0])


def _facts(posting: Posting) -> dict[str, Any]:
    copied = {name: getattr(posting, name) for name in Posting.__dataclass_fields__ if name != "price"}
    price = posting.price
    if price is None:
        return copied
    return copied | {
        "price_id": price.id,
        "unit_price": price.amount,
        "list_unit_price": price.list_amount,
        "unit_quantity": priced_quantity(price),
        "currency": price.currency,
    }


def _owner(team: TeamFacts | None, posting: Posting) -> dict[str, Any]:
    """What an entry copies of the team, so that it explains itself whatever is renamed later."""
    accounts = {
        "debit_account": f"team:{team.slug}:{posting.kind}" if team else f"unallocated:{posting.kind}",
        "credit_account": f"provider:{posting.provider}",
    }
    if team is None:
        return accounts
    return accounts | {
        "team_id": team.id,
        "team_slug": team.slug,
        "team_name": team.name,
        "cost_center": team.cost_center,
        "product": team.product,
        "environment": team.environment,
    }
