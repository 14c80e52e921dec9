"""Amounts added up by the keys asked for: rows in order, a page of them, and the total of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
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
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session

from service.costs.reports import sources
from service.costs.reports.asked import Asked, Cursor, Span, write_cursor
from service.kit import ids, money

ROWS_MAX: Final = 50_000
_MONEY: Final = ("estimated", "reserved", "accrued", "settled", "adjusted", "cost")
_ORDER: Final = (*_MONEY, "quantity")
_NOTHING: Final = money.amount(0)
_ZEROS_MAX: Final = 8  # of ten places two are always shown
_FEW: Final = 1_000  # rows whose total Python has sooner than Postgres
# A year of many teams sorts and adds up in memory; compiling it would take longer than running it. A plan made for any
# watermark would read the whole ledger for what was booked since.
_BEGIN: Final = text(
    """
    SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true),
           set_config('plan_cache_mode', 'force_custom_plan', true), through_seq, closed, revision
    FROM cost_rollup, (
        SELECT coalesce(bool_or(month >= :last AND state = 'closed'), false) AS closed,
               coalesce(sum(revision) FILTER (WHERE month BETWEEN :first AND :last), 0) AS revision
        FROM billing_periods
    ) periods
    """
)

Value = str | int | None
Statement = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PeriodState:
    """Whether the books are closed through the span, and how often months of it have been closed."""

    closed: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Report:
    """Keys and then `MEASURES` as they are shown, column by column: rows may be fifty thousand.

    `next` is where to go on.
    """

    asked: Asked
    period: PeriodState
    currency: str
    columns: list[list[Any]]
    total: tuple[Value, ...]
    next: str | None

    @property
    def rows(self) -> list[tuple[Value, ...]]:
        """The same row by row."""
        return list(zip(*self.columns, strict=True))


def report(session: Session, asked: Asked, *, after: Cursor | None = None, limit: int = ROWS_MAX) -> Report:
    """A page of rows, and the total of all. Use a `read_only` unit: then everything in it is of one moment."""
    through, state = _begin(session, asked.span)
    with_held = asked.as_of is None and not state.closed
    statements = _statements(asked, limit, with_held=with_held)
    rows = statements.rows if after is None else _after(asked, statements, after)
    found = _tuples(session, rows, through)
    more, found = len(found) > limit, found[:limit]
    if after is None and not more and len(found) <= _FEW:
        total = _total([row[len(asked.group_by) :] for row in found])
    else:
        (total,) = _tuples(session, statements.total, through)
    return Report(
        asked=asked,
        period=state,
        currency=money.CURRENCY,
        columns=_shown(asked.group_by, found, with_held=with_held),
        total=tuple(column[0] for column in _shown((), [total], with_held=with_held)),
        next=write_cursor(_place(asked, found[-1]), asked) if more else None,
    )


def _total(amounts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The sum of all rows there are, as Postgres would write it."""
    *columns, quantities = zip(*amounts, strict=True) if amounts else [()] * len(_ORDER)
    return (*(f"{sum(map(Decimal, column), _NOTHING):f}" for column in columns), sum(quantities))


def _tuples(session: Session, statement: Statement, through: int) -> list[tuple[Any, ...]]:
    """Rows as psycopg makes them: of fifty thousand, what SQLAlchemy would wrap them in takes as long as all else."""
    return list(session.connection().execute(statement, {sources.WATERMARK.key: through}).cursor.fetchall())


def _begin(session: Session, span: Span) -> tuple[int, PeriodState]:
    """Prepare the unit for a report; up to which entry the sums reach, and the state of the span."""
    months = span.months
    row = session.execute(_BEGIN, {"first": months[0], "last": months[-1]}).one()
    return row.through_seq, PeriodState(row.closed, row.revision)  # the books are closed through a month


@dataclass(frozen=True, slots=True)
class _Statements:
    """A page of rows and one more, the first there are; the subquery they are from; the total of all."""

    rows: Statement
    grouped: Subquery
    total: Statement


@lru_cache(maxsize=256)  # most reports are asked for again and again; to put one together takes longer than to run it
def _statements(asked: Asked, limit: int, *, with_held: bool) -> _Statements:
    moved = sources.moved(asked, with_held=with_held).subquery("moved")
    grouped = _added_up(asked, moved, asked.group_by).subquery("grouped")
    rows = select(*_shown_as(grouped, asked.group_by)).order_by(*_order(asked, grouped)).limit(limit + 1)
    return _Statements(rows, grouped, select(*_shown_as(_added_up(asked, moved, ()).subquery("total"), ())))


def _after(asked: Asked, statements: _Statements, after: Cursor) -> Statement:
    return statements.rows.where(tuple_(*_position(asked, statements.grouped)) > tuple_(*_bounds(asked, after)))


def _added_up(asked: Asked, moved: Subquery, keys: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """The measures by these keys; without any, of all."""
    by = [moved.c[key] for key in keys]
    sums = {name: func.coalesce(func.sum(moved.c[name]), sources.ZERO) for name in sources.SUMS}
    cost = (sums["accrued"] + sums["settled"] + sums["adjusted"]).label("cost")
    amounts = [sums[name].label(name) for name in sources.SUMS if name != "entries"]
    wanted = select(*(cast(key, String).label(key.name) for key in by), *amounts, cost)
    if not by:
        return wanted
    wanted = wanted.group_by(*by)
    # Only what is taken away again leaves keys that nothing belongs to.
    return wanted if asked.until is None else wanted.having(func.sum(moved.c.entries) > 0)


def _shown_as(grouped: Subquery, keys: Sequence[str]) -> list[ColumnElement[Any]]:
    amounts = [cast(grouped.c[name], String).label(name) for name in _MONEY]
    return [*(grouped.c[key] for key in keys), *amounts, cast(grouped.c.quantity, BigInteger).label("quantity")]


def _order(asked: Asked, grouped: Subquery) -> list[ColumnElement[Any]]:
    """By the measure if there is one, then by the keys, null last; every text by its code points."""
    keys = [collate(grouped.c[key], "C").asc().nulls_last() for key in asked.group_by]
    return [*_by_measure(asked, grouped), *keys]


def _by_measure(asked: Asked, grouped: Subquery) -> list[ColumnElement[Any]]:
    if asked.sort.measure is None:
        return []
    measure = grouped.c[asked.sort.measure]
    return [-measure if asked.sort.descending else measure]


def _position(asked: Asked, grouped: Subquery) -> list[ColumnElement[Any]]:
    """The same order as values that compare, null or not."""
    position = _by_measure(asked, grouped)
    for key in asked.group_by:
        position += [grouped.c[key].is_(None), collate(func.coalesce(grouped.c[key], ""), "C")]
    return position


def _bounds(asked: Asked, after: Cursor) -> list[ColumnElement[Any]]:
    bounds: list[ColumnElement[Any]] = []
    keys = list(after)
    if asked.sort.measure:
        amount = Decimal(keys.pop(0) or 0)
        bounds.append(literal(-amount if asked.sort.descending else amount, Numeric))
    for key in keys:
        bounds += [literal(key is None), literal(key or "")]
    return bounds


def _place(asked: Asked, row: tuple[Any, ...]) -> Cursor:
    count = len(asked.group_by)
    measure = asked.sort.measure
    return row[:count] if measure is None else (str(row[count + _ORDER.index(measure)]), *row[:count])


def _shown(keys: Sequence[str], found: list[tuple[Any, ...]], *, with_held: bool) -> list[list[Any]]:
    """The columns of what was found, as they are shown."""
    names = (*keys, *_MONEY, "quantity")
    columns = [list(map(itemgetter(index), found)) for index in range(len(names))]
    for index, name in enumerate(names):
        if name == "month":
            columns[index] = [month and month[:7] for month in columns[index]]
        elif name == "job":
            columns[index] = [job and ids.show("job", UUID(job)) for job in columns[index]]
        elif name == "reserved" and not with_held:
            columns[index] = [None] * len(found)
        elif name in _MONEY:
            columns[index] = _amounts(columns[index])
    return columns


def _amounts(column: Sequence[str]) -> list[str]:
    """As `money.text` writes them, from Postgres' texts, which have ten places: in a tenth of the time."""
    return [short if len(short := text.rstrip("0")) > len(text) - _ZEROS_MAX else text[:-_ZEROS_MAX] for text in column]
