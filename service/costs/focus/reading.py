"""Rows of the FOCUS datasets, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Date, cast, func, select, tuple_
from sqlalchemy.orm import Session

from service import catalog, connections
from service.costs import posting
from service.costs.focus.charges import Charge, vendor
from service.costs.focus.columns import FocusColumn, Version, columns
from service.costs.models import BillingPeriod, LedgerEntry
from service.costs.rollup import booked_through
from service.costs.rules import Period

ROWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Export:
    """What is being exported: a billing period up to an entry, so that pages read one after the other fit together."""

    period: Period
    columns: tuple[FocusColumn, ...]
    through: int
    accounts: Mapping[UUID, connections.BilledAccount]
    tiers: dict[UUID, str] = field(default_factory=dict)  # of prices met so far: a row of the book never changes


class Page(NamedTuple):
    """Rows in the order of the columns, and where the next page begins; None: nowhere."""

    rows: list[list[Any]]
    after: tuple[date, UUID] | None


def begin(session: Session, period: Period, version: Version) -> Export:
    """Whatever is booked from now on is not in it. Needs a unit that may see all teams, for a moment alone."""
    return Export(period, columns(version), booked_through(session), connections.billed(session))


def page(session: Session, export: Export, after: tuple[date, UUID] | None, *, limit: int = ROWS) -> Page:
    """The next entries in the order of their days."""
    place = (LedgerEntry.posted_on, LedgerEntry.id)
    found = select(LedgerEntry.__table__).where(
        LedgerEntry.posted_on >= export.period.start.date(),
        LedgerEntry.posted_on < export.period.end.date(),
        LedgerEntry.seq <= export.through,
    )
    if after is not None:
        found = found.where(tuple_(*place) > after)
    entries = session.execute(found.order_by(*place).limit(limit)).all()
    rows = [_row(session, export, entry) for entry in entries]
    last = (entries[-1].posted_on, entries[-1].id) if len(entries) == limit else None
    return Page(rows, last)


def billing_periods(session: Session, period: Period | None) -> list[list[Any]]:
    """A row for each month with entries and each issuer of its invoices, oldest first; of one month, or of all."""
    month = cast(func.date_trunc("month", LedgerEntry.posted_on), Date)
    found = select(month, LedgerEntry.provider, func.max(LedgerEntry.recorded_at)).group_by(month, LedgerEntry.provider)
    changed = {row.month: row.changed_at for row in session.scalars(select(BillingPeriod))}
    if period is not None:
        found = found.where(LedgerEntry.posted_on >= period.start.date(), LedgerEntry.posted_on < period.end.date())
    updated: dict[tuple[date, str], datetime] = {}
    for first, provider, recorded in session.execute(found):
        key = first, vendor(provider).issuer
        known = [updated.get(key), changed.get(first), recorded]
        updated[key] = max(one for one in known if one is not None)
    through = posting.closed_through(session)
    return [_billing_period(*key, updated[key], through) for key in sorted(updated)]


def _billing_period(month: date, issuer: str, updated: datetime, through: date | None) -> list[Any]:
    period = Period(month)
    status = "Closed" if through is not None and month <= through else "Open"
    last = max(updated.replace(microsecond=0), period.start)
    return [period.start, period.start, period.end, last, status, issuer]


def _row(session: Session, export: Export, entry: Any) -> list[Any]:
    tier = None
    if entry.price_id is not None:
        if entry.price_id not in export.tiers:
            export.tiers[entry.price_id] = catalog.price_by_id(session, entry.price_id).tier
        tier = export.tiers[entry.price_id]
    charge = Charge(entry, export.accounts.get(entry.connection_id) if entry.connection_id else None, tier)
    return [_said(one.value(charge)) for one in export.columns]


def _said(value: Any) -> Any:
    """Null is never an empty text, and an instant has no fraction of a second (NullHandling, DateTimeFormat)."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    return None if value == "" else value
