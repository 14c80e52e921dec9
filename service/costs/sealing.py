"""Seals on closed months: making them, and finding the first entry that is not what it was."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Numeric,
    String,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Session

from service import quotas
from service.costs import chain
from service.costs.chain import Chain, Link
from service.costs.errors import PeriodIsOpen
from service.costs.models import BillingPeriod, LedgerEntry, PeriodSeal, SealedDay
from service.costs.rules import Period
from service.costs.schemas import SealDifference, Verdict
from service.kit import ids, money
from service.kit.identity import Actor

IN_FORCE: Final[ColumnElement[bool]] = and_(
    PeriodSeal.month == BillingPeriod.month,
    PeriodSeal.revision == BillingPeriod.revision,
    BillingPeriod.state == "closed",
)
_SEALING: Final = func.hashtextextended("period seals", 0)
_ROWS: Final = 2000  # fetched at a time; a month is never in memory


def _canonical(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A value as chain.py describes it."""
    match column.type:
        case DateTime():
            return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        case Date() | Numeric() | Uuid():
            return cast(column, String)
    return column


# By the database: 200,000 entries are hashed in seconds, and only their digests travel.
_DIGEST: Final = func.sha256(
    func.convert_to(
        cast(func.json_build_array(*(_canonical(LedgerEntry.__table__.c[name]) for name in chain.COLUMNS)), Text),
        "UTF8",
    )
)


def alone(session: Session) -> None:
    """Let nobody else seal before this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(_SEALING)))


def seal_closed(session: Session, actor: Actor, *, at: datetime) -> None:
    """Seal every closed month that has no seal yet, in their order. What is booked meanwhile counts elsewhere.

    Takes seconds for some hundred thousand entries, and holds up nobody who books. Should it not come to its end, the
    next closing, of the same month or another, makes up for it.
    """
    alone(session)
    unsealed = select(BillingPeriod).where(
        BillingPeriod.state == "closed", ~exists().where(PeriodSeal.month == BillingPeriod.month, IN_FORCE)
    )
    for row in session.scalars(unsealed.order_by(BillingPeriod.month)).all():
        _seal(session, actor, row, at)


def closed_periods(session: Session) -> list[Period]:
    """Months that were closed and are, oldest first."""
    closed = select(BillingPeriod.month).where(BillingPeriod.state == "closed").order_by(BillingPeriod.month)
    return [Period(month) for month in session.scalars(closed)]


def verify(session: Session, period: Period) -> Verdict:
    """Recompute the chain of a closed month from its entries. Use a `read_only` unit. Raises PeriodIsOpen."""
    seal = session.scalar(select(PeriodSeal).join(BillingPeriod, IN_FORCE).where(PeriodSeal.month == period.month))
    if seal is None:
        raise PeriodIsOpen(month=str(period))
    before = _before(session, period.month)
    walked = Chain(seal.previous)
    difference = _compare(session, seal, before, walked)
    head = walked.sealed(period.month)
    if difference is None and head != seal.head:
        difference = SealDifference(kind="seal", entry=None, day=None)
    if difference is None and seal.previous != (before.head if before else chain.GENESIS):
        difference = SealDifference(kind="previous", entry=None, day=None)
    return Verdict(
        month=str(period),
        revision=seal.revision,
        intact=difference is None,
        entries=walked.entries,
        head=head.hex(),
        difference=difference,
    )


@dataclass
class _Day:
    entries: int = 0
    total: Decimal = money.ZERO
    leaves: bytearray = field(default_factory=bytearray)


def _seal(session: Session, actor: Actor, row: BillingPeriod, at: datetime) -> None:
    before = _before(session, row.month)
    growing = Chain(before.head if before else chain.GENESIS)
    previous, days = growing.head, dict[date, _Day]()
    for entry in _entries(session, before, row.month):
        day = days.setdefault(entry.posted_on, _Day())
        day.leaves += growing.add(entry)
        day.entries += 1
        day.total += entry.amount
    key = {"month": row.month, "revision": row.revision}
    session.execute(
        insert(PeriodSeal).values(
            **key,
            entries=growing.entries,
            total=growing.total,
            currency=money.CURRENCY,
            through_seq=growing.through_seq,
            previous=previous,
            head=growing.sealed(row.month),
            sealed_by=actor.name,
            sealed_at=at,
        )
    )
    for on, held in days.items():
        values = {"entries": held.entries, "total": held.total, "leaves": bytes(held.leaves)}
        session.execute(insert(SealedDay).values(**key, day=on, **values))


def _before(session: Session, month: date) -> PeriodSeal | None:
    """The seal in force of the closed month before."""
    return session.scalar(
        select(PeriodSeal)
        .join(BillingPeriod, IN_FORCE)
        .where(PeriodSeal.month < month)
        .order_by(PeriodSeal.month.desc())
        .limit(1)
    )


def _entries(session: Session, before: PeriodSeal | None, month: date) -> Iterator[Link]:
    """All that counts after the closed month before, until the end of this one: no month between is left out."""
    place = (LedgerEntry.posted_on, LedgerEntry.seq)
    wanted = select(LedgerEntry.id, LedgerEntry.seq, LedgerEntry.posted_on, LedgerEntry.amount, _DIGEST).where(
        LedgerEntry.posted_on < quotas.next_month(month)
    )
    if before is not None:
        wanted = wanted.where(LedgerEntry.posted_on >= quotas.next_month(before.month))
    for row in session.execute(wanted.order_by(*place), execution_options={"yield_per": _ROWS}):
        yield Link(*row)


def _leaves(session: Session, seal: PeriodSeal) -> Iterator[tuple[date, UUID, bytes]]:
    of_the_seal = (SealedDay.month == seal.month, SealedDay.revision == seal.revision)
    for day in session.scalars(select(SealedDay.day).where(*of_the_seal).order_by(SealedDay.day)).all():
        packed = session.scalar(select(SealedDay.leaves).where(*of_the_seal, SealedDay.day == day)) or b""
        for entry_id, digest in chain.unpack(packed):
            yield day, entry_id, digest


def _compare(session: Session, seal: PeriodSeal, before: PeriodSeal | None, walked: Chain) -> SealDifference | None:
    """Walk to the end, whatever is found; the first place where entries and leaves differ."""
    first: tuple[Any, Any] | None = None
    for entry, leaf in zip_longest(_entries(session, before, seal.month), _leaves(session, seal)):
        found = None if entry is None else chain.unpack(walked.add(entry))
        if first is None and (found is None or leaf is None or next(iter(found)) != leaf[1:]):
            first = entry, leaf
    return None if first is None else _named(session, seal, *first)


def _named(session: Session, seal: PeriodSeal, entry: Any, leaf: Any) -> SealDifference:
    """What happened where this entry is in the place of that leaf; either may be none."""
    if leaf is None:
        return _difference("added", entry.id, entry.posted_on)
    day, sealed_id, _ = leaf
    if entry is not None and entry.id == sealed_id:
        return _difference("changed", sealed_id, day)
    lies_on = session.scalar(select(LedgerEntry.posted_on).where(LedgerEntry.id == sealed_id))
    if lies_on is None:
        return _difference("removed", sealed_id, day)
    if entry is not None:
        sealed_on = {one: on for on, one, _ in _leaves(session, seal)}
        if entry.id not in sealed_on:
            return _difference("added", entry.id, entry.posted_on)
        if entry.posted_on != sealed_on[entry.id]:
            return _difference("changed", entry.id, sealed_on[entry.id])
    return _difference("reordered" if lies_on == day else "changed", sealed_id, day)


def _difference(kind: Any, entry_id: UUID, day: date) -> SealDifference:
    return SealDifference(kind=kind, entry=ids.show("entry", entry_id), day=day)
