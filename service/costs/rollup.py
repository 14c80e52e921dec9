"""Sums of the ledger by day and by month, so that a year's report reads thousands of rows and not millions.

They hold every entry up to `through_seq` and none after it; readers add what was booked since, in one snapshot. Nothing
else writes them, so they cannot drift: `differences` says so, and `rebuild` makes them anew.
"""

from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, and_, case, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session
from sqlalchemy.types import Date

from service.costs import posting
from service.costs.models import COST_DAYS, COST_MONTHS, ROLLUP_KEYS, ROLLUP_SUMS, CostRollup, LedgerEntry
from service.kit import money

BATCH: Final = 200_000
"""So many entries one unit adds up."""
_ZERO: Final = cast(money.ZERO, money.column())

MONTH_OF_ENTRY: Final[ColumnElement[date]] = cast(func.date_trunc("month", LedgerEntry.posted_on), Date)
MEASURES_OF_ENTRY: Final[dict[str, ColumnElement[Any]]] = {
    "estimated": LedgerEntry.estimated.expression,
    "accrued": case((and_(LedgerEntry.kind != "adjustment", LedgerEntry.accrued), LedgerEntry.amount), else_=_ZERO),
    "settled": case((and_(LedgerEntry.kind != "adjustment", ~LedgerEntry.accrued), LedgerEntry.amount), else_=_ZERO),
    "adjusted": case((LedgerEntry.kind == "adjustment", LedgerEntry.amount), else_=_ZERO),
    # Only tokens add up to tokens.
    "quantity": case((LedgerEntry.meter == "training_tokens", LedgerEntry.quantity), else_=0),
}
"""How much of an entry each measure of a report counts."""


class Difference(NamedTuple):
    """A row of sums that the ledger does not have, or one of the ledger's that is not among them."""

    table: str
    side: str
    row: dict[str, Any]


def booked_through(session: Session) -> int:
    """The number of the last entry, when all before it are there to be seen. Bookings wait until the unit ends."""
    posting.take_ledger(session)
    return session.scalar(select(func.coalesce(func.max(LedgerEntry.seq), 0))) or 0


def watermark(session: Session) -> int:
    """Up to which entry the sums reach."""
    return session.scalars(select(CostRollup.through_seq)).one()


def fold(session: Session, through: int, *, batch: int = BATCH) -> bool:
    """Add the next entries up to `through`, a number that `booked_through` gave; whether there may be more of them."""
    reached = session.scalars(select(CostRollup.through_seq).with_for_update()).one()
    until = min(reached + batch, through)
    if until <= reached:
        return False
    for table, grain in _GRAINS:
        session.execute(_added(table, grain, reached, until))
    session.execute(update(CostRollup).values(through_seq=until, folded_at=func.clock_timestamp()))
    return until < through


def rebuild(session: Session, through: int) -> None:
    """Make the sums anew from the ledger up to `through`. Readers see the old ones until the unit ends."""
    session.scalars(select(CostRollup.through_seq).with_for_update()).one()
    for table, grain in _GRAINS:
        session.execute(delete(table))
        session.execute(upsert(table).from_select(table.columns.keys(), _of_ledger(grain, 0, through)))
    session.execute(update(CostRollup).values(through_seq=through, folded_at=func.clock_timestamp()))


def differences(session: Session, *, limit: int = 20) -> list[Difference]:
    """Where they are not what the ledger says: nowhere, unless somebody wrote past us. Reads all that was booked."""
    through, found = watermark(session), list[Difference]()
    for table, grain in _GRAINS:
        kept, booked = select(table), _of_ledger(grain, 0, through)
        for side, only in (("kept", kept.except_(booked)), ("booked", booked.except_(kept))):
            rows = session.execute(only.limit(limit))
            found += [Difference(table.name, side, dict(zip(table.columns.keys(), row, strict=True))) for row in rows]
    return found


def _of_ledger(grain: ColumnElement[date], after: int, until: int) -> Select[*tuple[Any, ...]]:
    """What the entries after one and up to another add up to, in the order of a table's columns."""
    first, *others = (getattr(LedgerEntry, key) for key in ROLLUP_KEYS)
    keys = [first, grain, *others]
    sums = [func.count(), *(func.sum(MEASURES_OF_ENTRY[name]) for name in ROLLUP_SUMS[1:])]
    return select(*keys, *sums).where(LedgerEntry.seq > after, LedgerEntry.seq <= until).group_by(*keys)


def _added(table: Table, grain: ColumnElement[date], after: int, until: int) -> Insert:
    new = upsert(table).from_select(table.columns.keys(), _of_ledger(grain, after, until))
    sums = {name: table.c[name] + new.excluded[name] for name in ROLLUP_SUMS}
    return new.on_conflict_do_update(constraint=f"uq_{table.name}_key", set_=sums)


_GRAINS: Final[tuple[tuple[Table, ColumnElement[date]], ...]] = (
    (COST_DAYS, LedgerEntry.posted_on.expression),
    (COST_MONTHS, MONTH_OF_ENTRY),
)
