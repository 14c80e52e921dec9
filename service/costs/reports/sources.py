"""Where a report's amounts lie: sums of whole months, of days at its edges, what was booked since, and what is held.

A session sees one moment only, so the parts are of one moment too. What was recorded after `as_of` is taken away again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    Table,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.types import Date

from service import quotas, tenants
from service.costs.models import COST_DAYS, COST_MONTHS, ROLLUP_SUMS, LedgerEntry
from service.costs.reports.asked import Asked, Filters, Span, next_month
from service.costs.rollup import MEASURES_OF_ENTRY, MONTH_OF_ENTRY
from service.kit import money

Part = Select[*tuple[Any, ...]]
Keys = Mapping[str, ColumnElement[Any]]

SUMS: Final = (*ROLLUP_SUMS, "reserved")
WATERMARK: Final = bindparam("watermark", type_=BigInteger)
"""The number of the last entry in the kept sums."""
ZERO: Final = cast(money.ZERO, money.column())
_NOT_IN_SUMS: Final = {"model", "job"}

ENTRY_KEYS: Final[Keys] = {
    "team": LedgerEntry.team_slug.expression,
    "cost_center": LedgerEntry.cost_center.expression,
    "product": LedgerEntry.product.expression,
    "environment": LedgerEntry.environment.expression,
    "provider": LedgerEntry.provider.expression,
    "base_model": LedgerEntry.base_model.expression,
    "model": LedgerEntry.model.expression,
    "job": LedgerEntry.job_id.expression,
    "meter": LedgerEntry.meter.expression,
    "day": LedgerEntry.posted_on.expression,
    "month": MONTH_OF_ENTRY,
}
_ENTRY_SUMS: Final = {"entries": literal(1), **MEASURES_OF_ENTRY, "reserved": ZERO}


def moved(asked: Asked, *, with_held: bool) -> CompoundSelect[*tuple[Any, ...]]:
    """Everything the report adds up, a column for each key and each of `SUMS`. `WATERMARK` is a parameter."""
    until = asked.until
    if _NOT_IN_SUMS.isdisjoint({*asked.group_by, *asked.filters}):
        parts = [*_kept(asked), _entries(asked, LedgerEntry.seq > WATERMARK, *_known_by(until))]
        if until is not None:
            parts.append(_taken_away(asked, LedgerEntry.seq <= WATERMARK, LedgerEntry.recorded_at > until))
    else:
        parts = [_entries(asked, *_known_by(until))]
    return union_all(*parts, *([_held(asked)] if with_held else []))


def of_entries(span: Span, filters: Filters, team_id: UUID | None) -> list[ColumnElement[bool]]:
    """Which entries of the ledger count in the span and pass the filters."""
    mine = [] if team_id is None else [LedgerEntry.team_id == team_id]
    return [
        *mine,
        LedgerEntry.posted_on >= span.start,
        LedgerEntry.posted_on < span.end,
        *_passing(ENTRY_KEYS, filters),
    ]


def _kept(asked: Asked) -> list[Part]:
    """Whole months from their sums, as long as no day is asked for; the other days from theirs."""
    first = asked.span.start if asked.span.start.day == 1 else next_month(asked.span.start.replace(day=1))
    end = asked.span.end.replace(day=1)
    if "day" in asked.group_by or first >= end:
        return [_of_sums(asked, COST_DAYS, "day", asked.span)]
    edges = [Span(start, stop) for start, stop in ((asked.span.start, first), (end, asked.span.end)) if start < stop]
    whole = _of_sums(asked, COST_MONTHS, "month", Span(first, end))
    return [whole, *(_of_sums(asked, COST_DAYS, "day", edge) for edge in edges)]


def _of_sums(asked: Asked, table: Table, grain: str, span: Span) -> Part:
    on = table.c[grain]
    month = on if grain == "month" else cast(func.date_trunc("month", on), Date)
    keys = {**table.c, "team": table.c.team_slug, "month": month}
    mine = [] if asked.team_id is None else [table.c.team_id == asked.team_id]
    return _part(asked, keys, {**table.c, "reserved": ZERO}, *mine, on >= span.start, on < span.end)


def _entries(asked: Asked, *conditions: ColumnElement[bool]) -> Part:
    return _part(asked, ENTRY_KEYS, _ENTRY_SUMS, *of_entries(asked.span, {}, asked.team_id), *conditions)


def _taken_away(asked: Asked, *conditions: ColumnElement[bool]) -> Part:
    negative = {name: -amount for name, amount in _ENTRY_SUMS.items()}
    return _part(asked, ENTRY_KEYS, negative, *of_entries(asked.span, {}, asked.team_id), *conditions)


def _known_by(until: datetime | None) -> list[ColumnElement[bool]]:
    return [] if until is None else [LedgerEntry.recorded_at <= until]


def _held(asked: Asked) -> Part:
    """What is held now in the teams' months that the span touches. No model, meter, provider or day is known of it."""
    held = quotas.held_in(asked.span.months, asked.team_id).subquery()
    owner = tenants.owners().subquery()
    text, day = cast(null(), String), cast(null(), Date)
    keys = {
        "team": held.c.team_slug,
        "cost_center": owner.c.cost_center,
        "product": owner.c.product,
        "environment": owner.c.environment,
        "base_model": held.c.base_model,
        "job": held.c.job_id,
        "month": held.c.month,
        "provider": text, "model": text, "meter": text, "day": day,
    }  # fmt: skip
    sums = dict.fromkeys(SUMS, ZERO) | {"entries": literal(1), "quantity": literal(0), "reserved": held.c.amount}
    return _part(asked, keys, sums).select_from(held.join(owner, owner.c.id == held.c.team_id))


def _part(asked: Asked, keys: Keys, sums: Keys, *conditions: ColumnElement[bool]) -> Part:
    shown = [keys[key].label(key) for key in asked.group_by]
    amounts = [sums[name].label(name) for name in SUMS]
    return select(*shown, *amounts).where(*conditions, *_passing(keys, asked.filters))


def _passing(keys: Keys, wanted: Filters) -> list[ColumnElement[bool]]:
    return [_is_any(keys[key], values) for key, values in wanted.items()]


def _is_any(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    known = [value for value in values if value is not None]
    among = [column.in_(known)] if known else []
    return or_(*among, *([column.is_(None)] if None in values else []))
