"""Amounts added up by the keys asked for: rows in order, a page of them, and the total of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Numeric,
    Select,
    String,
    Subquery,
    cast,
    collate,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session

from service.costs.models import BillingPeriod
from service.costs.reports import sources
from service.costs.reports.asked import Asked, Cursor, Span, write_cursor
from service.costs.rollup import watermark
from service.kit import ids, money

ROWS_MAX: Final = 50_000
_MONEY: Final = ("estimated", "reserved", "accrued", "settled", "adjusted", "cost")
_PLACES: Final = 10
# A year of many teams sorts and adds up in memory; compiling it would take longer than running it.
_FOR_REPORTS: Final = text("SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)")

Value = str | int | None


@dataclass(frozen=True, slots=True)
class PeriodState:
    """Whether all months of a span are closed, and how often months of it have been."""

    closed: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Report:
    """Rows of keys and then `MEASURES`, as they are shown; `next` is where to go on."""

    asked: Asked
    period: PeriodState
    currency: str
    rows: list[tuple[Value, ...]]
    total: tuple[Value, ...]
    next: str | None


def report(session: Session, asked: Asked, *, after: Cursor | None = None, limit: int = ROWS_MAX) -> Report:
    """A page of rows, and the total of all. Use a `read_only` unit: then everything in it is of one moment."""
    state = _state(session, asked.span)
    with_held = asked.as_of is None and not state.closed
    session.execute(_FOR_REPORTS)
    grouped = _grouped(asked, sources.moved(asked, watermark(session), with_held=with_held).subquery("moved"))
    total, *found = session.execute(_page(asked, grouped, after, limit)).all()
    more, found = len(found) > limit, found[:limit]
    shown = _shown(asked, [total, *found], with_held=with_held)
    return Report(
        asked=asked,
        period=state,
        currency=money.CURRENCY,
        rows=shown[1:],
        total=shown[0][len(asked.group_by) :],
        next=write_cursor(_place(asked, found[-1]), asked) if more else None,
    )


def _state(session: Session, span: Span) -> PeriodState:
    months = span.months
    closed, revision = session.execute(
        select(
            func.count().filter(BillingPeriod.state == "closed"), func.coalesce(func.sum(BillingPeriod.revision), 0)
        ).where(BillingPeriod.month.in_(months))
    ).one()
    return PeriodState(closed == len(months), revision)


def _grouped(asked: Asked, moved: Subquery) -> Subquery:
    """A row for each combination of keys that anything belongs to, and one for all."""
    keys = [moved.c[key] for key in asked.group_by]
    sums = {name: func.sum(moved.c[name]) for name in sources.SUMS}
    is_total = func.grouping(keys[0])
    amounts = [func.coalesce(sums[name], 0).label(name) for name in sources.SUMS if name != "entries"]
    cost = func.coalesce(sums["accrued"] + sums["settled"] + sums["adjusted"], 0).label("cost")
    grouped = func.grouping_sets(tuple_(*keys), tuple_())
    return (
        select(is_total.label("is_total"), *(cast(key, String).label(key.name) for key in keys), *amounts, cost)
        .group_by(grouped)
        .having(or_(sums["entries"] > 0, is_total == 1))
        .subquery("grouped")
    )


def _page(asked: Asked, grouped: Subquery, after: Cursor | None, limit: int) -> Select[*tuple[Any, ...]]:
    """The total first, then `limit` rows and one more."""
    order = _order(asked, grouped)
    keys = [grouped.c[key] for key in asked.group_by]
    amounts = [cast(grouped.c[name], String).label(name) for name in _MONEY]
    wanted = select(*keys, *amounts, cast(grouped.c.quantity, BigInteger).label("quantity"))
    if after is not None:
        wanted = wanted.where(or_(grouped.c.is_total == 1, tuple_(*order) > tuple_(*_bounds(asked, after))))
    return wanted.order_by(grouped.c.is_total.desc(), *order).limit(limit + 2)


def _order(asked: Asked, grouped: Subquery) -> list[ColumnElement[Any]]:
    """By the measure if there is one, then by the keys, null last; every text by its code points."""
    order: list[ColumnElement[Any]] = []
    if asked.sort.measure:
        measure = grouped.c[asked.sort.measure]
        order.append(-measure if asked.sort.descending else measure)
    for key in asked.group_by:
        order += [grouped.c[key].is_(None), collate(func.coalesce(grouped.c[key], ""), "C")]
    return order


def _bounds(asked: Asked, after: Cursor) -> list[ColumnElement[Any]]:
    bounds: list[ColumnElement[Any]] = []
    keys = list(after)
    if asked.sort.measure:
        amount = Decimal(keys.pop(0) or 0)
        bounds.append(literal(-amount if asked.sort.descending else amount, Numeric))
    for key in keys:
        bounds += [literal(key is None), literal(key or "")]
    return bounds


def _place(asked: Asked, row: Any) -> Cursor:
    keys = tuple(row[: len(asked.group_by)])
    return keys if asked.sort.measure is None else (str(getattr(row, asked.sort.measure)), *keys)


def _shown(asked: Asked, found: list[Any], *, with_held: bool) -> list[tuple[Value, ...]]:
    """Rows as they are shown. Column by column: a report may have fifty thousand rows."""
    columns: list[Sequence[Any]] = list(zip(*found, strict=True))
    for index, key in enumerate(asked.group_by):
        if key == "month":
            columns[index] = [month and month[:7] for month in columns[index]]
        elif key == "job":
            columns[index] = [job and ids.show("job", UUID(job)) for job in columns[index]]
    for index, name in enumerate(_MONEY, len(asked.group_by)):
        unknown = name == "reserved" and not with_held
        columns[index] = [None] * len(found) if unknown else [_amount(amount) for amount in columns[index]]
    return list(zip(*columns, strict=True))


def _amount(amount: str) -> str:
    """As `money.text` writes it, from Postgres' text of a sum, ten places: a tenth of the time."""
    if amount[-_PLACES - 1 : -_PLACES] != ".":
        return money.text(Decimal(amount))
    short = amount.rstrip("0")
    return short if len(short) > len(amount) - _PLACES + 2 else amount[: -_PLACES + 2]
