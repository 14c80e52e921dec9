"""Both sides of a day: what the provider bills, and what the ledger has of the same account and day."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, aliased

from service import catalog
from service.connections import MeteredAccount
from service.costs.metering.models import UsageDay
from service.costs.metering.queries import midnight, owners
from service.costs.models import LedgerEntry
from service.costs.reconciling.models import ProviderCost
from service.costs.reconciling.rules import About, Accrued, Billed, Names, Sides, Subject, counted, subject_of
from service.costs.rules import priced_quantity

OWN: str = "reconciliation:"
"""How references of our own adjustments begin: they are counted with the finding they settle."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One day of one account, subject by subject; `outside` is what is billed for other things."""

    day: date
    sides: dict[Subject, Sides]
    outside: Decimal
    currency: str | None


def compared(session: Session, account: MeteredAccount, day: date) -> Compared:
    """Everything billed and booked of the day. An operator's unit: entries are of all teams and of nobody."""
    lines = session.scalars(
        select(ProviderCost).where(ProviderCost.connection_id == account.id, ProviderCost.day == day)
    ).all()
    names = _names(session, account, lines)
    found: dict[Subject, Sides] = defaultdict(Sides)
    outside, currency = Decimal(0), None
    for line in lines:
        subject = subject_of(line.line_item, line.project, line.api_key, line.quantity_unit, names)
        currency = line.currency
        if subject.about is About.OUTSIDE:
            outside += line.amount
            continue
        quantity = counted(line.quantity, line.quantity_unit)
        found[subject].lines.append(Billed(line.line_item, line.project, line.api_key, line.amount, quantity))
    _add_booked(session, account, day, found)
    for subject, sides in found.items():
        sides.price = _price(session, account.provider, subject, day)
    return Compared(day, dict(found), outside, currency)


def _names(session: Session, account: MeteredAccount, lines: Iterable[ProviderCost]) -> Names:
    models = {line.line_item.partition(", ")[0] for line in lines}
    snapshots = {
        name: one.id for one in catalog.offered(session, account.provider).values() for name in (one.id, *one.aliases)
    }
    return Names(owners(session, account.id, models).base_of, snapshots.get)


def _add_booked(session: Session, account: MeteredAccount, day: date, found: dict[Subject, Sides]) -> None:
    usage = {
        row.id: row
        for row in session.scalars(
            select(UsageDay).where(UsageDay.connection_id == account.id, UsageDay.day == day)
        )
    }  # fmt: skip
    for row in usage.values():
        if row.is_unpriced and row.quantity != row.booked:
            found[_of_usage(row)].is_unpriced = True
    accrued: dict[tuple[Subject, UUID], Accrued] = {}
    for entry in _entries(session, account.id, day):
        subject = _subject(entry, usage)
        sides = found[subject]
        sides.booked += entry.amount
        sides.booked_quantity += entry.quantity
        if subject.about is About.INFERENCE and entry.team_id is None:
            sides.nobodys += entry.amount
        if entry.accrued:
            root = entry.corrects or entry.id
            known = accrued.get((subject, root), Accrued(root, Decimal(0), Decimal(0)))
            accrued[subject, root] = Accrued(root, known.amount + entry.amount, known.estimated + entry.estimated)
    for (subject, _), one in accrued.items():
        if one.amount:  # else it was confirmed
            found[subject].accrued.append(one)


def _entries(session: Session, connection_id: UUID, day: date) -> Iterable[Row[Any]]:
    """What was charged that day, whenever it counts; a correction with what it corrects."""
    original = aliased(LedgerEntry)
    return session.execute(
        select(
            LedgerEntry.id, LedgerEntry.kind, LedgerEntry.meter, LedgerEntry.base_model, LedgerEntry.amount,
            LedgerEntry.quantity, LedgerEntry.accrued, LedgerEntry.estimated, LedgerEntry.team_id,
            LedgerEntry.corrects, LedgerEntry.ext_ref, original.ext_ref.label("original_ref"),
            original.kind.label("original_kind"),
        )
        .outerjoin(original, original.id == LedgerEntry.corrects)
        .where(
            LedgerEntry.connection_id == connection_id,
            LedgerEntry.posted_on >= day,
            LedgerEntry.charged_at >= midnight(day),
            LedgerEntry.charged_at < midnight(day + timedelta(days=1)),
            LedgerEntry.ext_ref.not_like(f"{OWN}%"),
        )
        .order_by(LedgerEntry.seq)
    )  # fmt: skip


def _subject(entry: Row[Any], usage: dict[UUID, UsageDay]) -> Subject:
    kind = entry.original_kind or entry.kind
    if kind == "inference":
        _, _, rest = (entry.original_ref or entry.ext_ref).partition(":")
        return _of_usage(usage[UUID(rest.partition(":")[0])])
    if kind == "training":
        return Subject(About.TRAINING, entry.base_model, entry.meter)
    return Subject(About.UNKNOWN, line_item=f"adjustment of {entry.base_model}" if entry.base_model else "adjustment")


def _of_usage(row: UsageDay) -> Subject:
    return Subject(About.INFERENCE, row.base_model, row.meter, row.tier, row.project, row.api_key)


def _price(session: Session, provider: str, subject: Subject, day: date) -> Decimal | None:
    """Of one unit of what is counted; None where the book has none."""
    if subject.base_model is None or subject.meter is None:
        return None
    try:
        price = catalog.price(session, provider, subject.base_model, subject.meter, midnight(day), tier=subject.tier)
    except catalog.PriceUnknown:
        return None
    return price.amount / priced_quantity(price)


def by_subject(days: Iterable[Compared]) -> Callable[[Subject], list[Decimal]]:
    """By how much more was counted there than here, on each of these days."""
    others = list(days)

    def excesses(subject: Subject) -> list[Decimal]:
        found = [day.sides[subject].excess for day in others if subject in day.sides]
        return [one for one in found if one is not None]

    return excesses
