"""The price book as finance keeps it: rows are added, one by one or by the file, and none is ever altered."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit
from service.catalog import queries
from service.catalog.errors import (
    BadPriceList,
    OtherCurrency,
    PriceInThePast,
    PriceTaken,
    UnknownBaseModel,
    UnknownMeter,
)
from service.catalog.models import BaseModel, Price
from service.catalog.rules import UNITS
from service.catalog.schemas import PriceCreate, PriceImport, PriceRowView
from service.kit import ids, money
from service.kit.errors import TuneplaneError
from service.kit.identity import Actor
from service.kit.tables import Column

COLUMNS: Final = (
    Column("provider", "text"),
    Column("model", "text"),
    Column("meter", "text"),
    Column("tier", "text"),
    Column("amount", "money"),
    Column("list_amount", "money"),
    Column("currency", "text"),
    Column("unit_quantity", "integer"),
    Column("effective_from", "instant"),
)
"""A price list: what is exported can be imported."""
_NAMES: Final = tuple(column.name for column in COLUMNS)
_NEEDED: Final = frozenset({"provider", "model", "meter", "amount", "effective_from"})
_KEY: Final = ("provider", "model", "meter", "tier", "effective_from")
_PRICED: Final = ("amount", "list_amount", "currency", "unit_quantity")
_TOLD_MAX: Final = 100  # of what is wrong in a file, in one answer

Row = dict[str, Any]


class _Wrong(NamedTuple):
    line: int
    field: str
    detail: str


def add(session: Session, actor: Actor, wanted: PriceCreate, *, at: datetime) -> PriceRowView:
    """Put a price into the book. The same again changes nothing.

    Raises UnknownBaseModel, UnknownMeter, OtherCurrency, PriceTaken and PriceInThePast.
    """
    row = _row(wanted)
    book = _Book(session, [row])
    refused = book.refusal(row, at)
    if refused is not None:
        raise refused
    _insert(session, actor, [row] if book.is_new(row) else [])
    (shown,) = [one for one in _history_of(session, row) if one.effective_from == row["effective_from"]]
    return shown


def import_csv(session: Session, actor: Actor, content: bytes, *, dry_run: bool, at: datetime) -> PriceImport:
    """Put the rows of a price list into the book, all of them or, raising BadPriceList, none.

    Rows that are there just so are left alone, so a list can come again. `dry_run` only tells what would be done.
    """
    lines, wrong = _read(content)
    book = _Book(session, lines.values())
    seen: dict[tuple[Any, ...], int] = {}
    for line, row in lines.items():
        refused = book.refusal(row, at)
        if refused is not None:
            wrong.append(_Wrong(line, (refused.pointer or "#/").removeprefix("#/"), refused.message.rstrip(".")))
        first = seen.setdefault(_key(row), line)
        if first != line:
            wrong.append(_Wrong(line, "effective_from", f"this is the price of line {first} again"))
    if wrong:
        wrong.sort()
        told = [one._asdict() for one in wrong[:_TOLD_MAX]]
        raise BadPriceList(count=len(wrong), **told[0], problems=told)
    new = [row for row in lines.values() if book.is_new(row)]
    if not dry_run:
        _insert(session, actor, new)
    return PriceImport(dry_run=dry_run, added=len(new), unchanged=len(lines) - len(new))


def as_rows(shown: Iterable[PriceRowView]) -> list[list[Any]]:
    """Rows of the book in the order of COLUMNS."""
    return [[getattr(one, name) for name in _NAMES] for one in shown]


class _Book:
    """What is in the book of the meters that new rows are about. Nobody else writes in it before this unit ends."""

    def __init__(self, session: Session, rows: Iterable[Row]) -> None:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("price book", 0))))
        meters = {tuple(row[name] for name in _KEY[:-1]) for row in rows}
        self._models = {
            (model.provider, model.id): model.aliases
            for model in session.scalars(select(BaseModel).where(BaseModel.provider.in_({one[0] for one in meters})))
        }
        known = select(Price).where(tuple_(Price.provider, Price.model, Price.meter, Price.tier).in_(meters))
        self._rows = {tuple(getattr(one, name) for name in _KEY): one for one in session.scalars(known)}

    def is_new(self, row: Row) -> bool:
        return _key(row) not in self._rows

    def refusal(self, row: Row, at: datetime) -> TuneplaneError | None:
        """Why the row cannot be in the book, as the error to raise; None when it is, just so, or can be."""
        if row["meter"] not in UNITS:
            return UnknownMeter(meter=row["meter"], known=", ".join(UNITS), pointer="#/meter")
        if row["currency"] != money.CURRENCY:
            return OtherCurrency(currency=row["currency"], known=money.CURRENCY, pointer="#/currency")
        if (row["provider"], row["model"]) not in self._models:
            return UnknownBaseModel(
                model=row["model"], provider=row["provider"], advice=self._advice(row), pointer="#/model"
            )
        written = f"{row['effective_from']:%Y-%m-%dT%H:%M:%SZ}"
        there = self._rows.get(_key(row))
        if there is not None:
            if all(getattr(there, name) == row[name] for name in _PRICED):
                return None
            return PriceTaken(
                effective_from=written,
                amount=money.text(there.amount),
                unit_quantity=int(there.unit_quantity),
                pointer="#/effective_from",
            )
        if row["effective_from"] < at and self._was_priced(row):
            return PriceInThePast(effective_from=written, pointer="#/effective_from")
        return None

    def _advice(self, row: Row) -> str:
        meant = [
            model
            for (provider, model), aliases in self._models.items()
            if provider == row["provider"] and row["model"] in aliases
        ]
        return f"it is an alias of {meant[0]}" if meant else "GET /v1/base-models lists those there are"

    def _was_priced(self, row: Row) -> bool:
        meter = _key(row)[:-1]
        return any(key[:-1] == meter and key[-1] < row["effective_from"] for key in self._rows)


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _row(wanted: PriceCreate) -> Row:
    usual = UNITS.get(wanted.meter)
    return {
        "provider": wanted.provider,
        "model": wanted.model,
        "meter": wanted.meter,
        "tier": wanted.tier,
        "amount": Decimal(wanted.amount),
        "list_amount": Decimal(wanted.list_amount) if wanted.list_amount is not None else None,
        "currency": wanted.currency,
        "unit_quantity": Decimal(wanted.unit_quantity) if wanted.unit_quantity is not None else usual,
        "effective_from": wanted.effective_from,
    }


def _read(content: bytes) -> tuple[dict[int, Row], list[_Wrong]]:
    """The rows of a file by their lines, and what is wrong with others."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = next(lines, [])
        wrong = _wrong_header(header)
        rows: dict[int, Row] = {}
        for cells in lines if not wrong else ():
            if not any(cells):
                continue
            found = _parse(lines.line_num, header, cells)
            if isinstance(found, dict):
                rows[lines.line_num] = found
            else:
                wrong += found
    except UnicodeDecodeError:
        return {}, [_Wrong(1, "file", "it is not UTF-8")]
    except csv.Error as error:
        return {}, [_Wrong(lines.line_num, "file", f"it is no CSV: {error}")]
    return rows, wrong


def _wrong_header(header: list[str]) -> list[_Wrong]:
    twice = {name for name in header if header.count(name) > 1}
    told = [
        ("is missing", _NEEDED - set(header)),
        ("is not known", set(header) - set(_NAMES)),
        ("is there twice", twice),
    ]
    return [_Wrong(1, name or "header", f"this column {what}") for what, names in told for name in sorted(names)]


def _parse(line: int, header: list[str], cells: list[str]) -> Row | list[_Wrong]:
    if len(cells) != len(header):
        return [_Wrong(line, "line", f"it has {len(cells)} cells, the header {len(header)}")]
    given = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    try:
        return _row(PriceCreate.model_validate(given))
    except ValidationError as error:
        return [
            _Wrong(line, str(one["loc"][0]), one["msg"].removeprefix("Value error, ").rstrip("."))
            for one in error.errors()
        ]


def _insert(session: Session, actor: Actor, rows: list[Row]) -> None:
    if not rows:
        return
    made = [{"id": ids.new_id(), "created_by": actor.name, **row} for row in rows]
    session.execute(insert(Price), made)
    for one in made:
        audit.record(
            session,
            actor,
            "price.added",
            object_type="price",
            object_id=ids.show("price", one["id"]),
            after={name: one[name] for name in _NAMES},
        )


def _history_of(session: Session, row: Row) -> list[PriceRowView]:
    return queries.price_list(session, None, **{name: row[name] for name in _KEY[:-1]})
