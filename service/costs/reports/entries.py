"""The entries behind a report: page by page, as shown, and each with what explains it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from service import catalog
from service.costs.errors import UnknownEntry
from service.costs.models import LedgerEntry
from service.costs.reports.asked import Filters, Span
from service.costs.reports.schemas import CostEntry, CostEntryPage, ExplainedEntry
from service.costs.reports.sources import of_entries
from service.kit import ids
from service.kit.tables import Batch, Column, Kind

BATCH: Final = 5_000
# A plan made for any place would sort all that is left of the ledger for each page.
_OWN_PLAN: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


class _Shown(NamedTuple):
    """A column of the ledger, and what it is called and shown as."""

    name: str
    kind: Kind
    of: InstrumentedAttribute[Any]
    show: Callable[[Any], Any] | None = None


def _id(prefix: str, *, remembered: bool = False) -> Callable[[UUID], str]:
    def show(value: UUID) -> str:
        return ids.show(prefix, value)

    return lru_cache(1000)(show) if remembered else show  # few prices and connections, many entries


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


_E: Final = LedgerEntry
_SHOWN: Final = (
    _Shown("id", "text", _E.id, _id("entry")),
    _Shown("kind", "text", _E.kind),
    _Shown("posted_on", "date", _E.posted_on),
    _Shown("charged_at", "instant", _E.charged_at),
    _Shown("recorded_at", "instant", _E.recorded_at),
    _Shown("team", "text", _E.team_slug),
    _Shown("team_name", "text", _E.team_name),
    _Shown("cost_center", "text", _E.cost_center),
    _Shown("product", "text", _E.product),
    _Shown("environment", "text", _E.environment),
    _Shown("provider", "text", _E.provider),
    _Shown("connection", "text", _E.connection_id, _id("conn", remembered=True)),
    _Shown("job", "text", _E.job_id, _id("job")),
    _Shown("provider_job_id", "text", _E.provider_job_id),
    _Shown("base_model", "text", _E.base_model),
    _Shown("model", "text", _E.model),
    _Shown("version", "text", _E.version_id, _id("mver", remembered=True)),
    _Shown("meter", "text", _E.meter),
    _Shown("quantity", "integer", _E.quantity),
    _Shown("unit_quantity", "money", _E.unit_quantity),
    _Shown("unit_price", "money", _E.unit_price),
    _Shown("list_unit_price", "money", _E.list_unit_price),
    _Shown("price", "text", _E.price_id, _id("price", remembered=True)),
    _Shown("amount", "money", _E.amount),
    _Shown("currency", "text", _E.currency),
    _Shown("estimated", "money", _E.estimated),
    _Shown("accrued", "text", _E.accrued, lambda value: "true" if value else "false"),
    _Shown("budget_month", "text", _E.budget_month, _month),
    _Shown("debit_account", "text", _E.debit_account),
    _Shown("credit_account", "text", _E.credit_account),
    _Shown("description", "text", _E.description),
    _Shown("corrects", "text", _E.corrects, _id("entry")),
    _Shown("reason", "text", _E.reason),
    _Shown("booked_by", "text", _E.booked_by),
    _Shown("ext_ref", "text", _E.ext_ref),
)
ENTRY_COLUMNS: Final = tuple(Column(shown.name, shown.kind) for shown in _SHOWN)


class Place(NamedTuple):
    """Where a list of entries goes on: after the entry of that day and id."""

    posted_on: date
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEntries:
    """Entries that count in the span and pass the filters, as far as they had been recorded by a moment.

    `team_id` narrows it to one team; None means every team the session's role may see.
    """

    span: Span
    team_id: UUID | None = None
    filters: Filters = field(default_factory=dict)
    recorded_until: datetime | None = None


def entry_rows(session: Session, asked: AskedEntries, *, after: Place | None) -> tuple[Batch, Place | None]:
    """The next rows for `ENTRY_COLUMNS`, newest first, and where to go on: a page costs the same wherever it lies."""
    session.execute(_OWN_PLAN)
    found = _next(session, asked, after, BATCH)
    place = Place(found[-1].posted_on, found[-1].id) if len(found) == BATCH else None
    columns = [
        column if shown.show is None else [None if value is None else shown.show(value) for value in column]
        for shown, column in zip(_SHOWN, zip(*found, strict=True), strict=False)
    ]
    return list(zip(*columns, strict=True)), place


def recorded_by_now(session: Session) -> datetime:
    """The present moment by the clock that entries are recorded by."""
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def entry_page(session: Session, asked: AskedEntries, *, after: UUID | None, limit: int) -> CostEntryPage:
    """A page of entries, newest first. Raises UnknownEntry where there is none to go on after."""
    place = None if after is None else _place_of(session, asked.team_id, after)
    found = _next(session, asked, place, limit + 1)
    views = [CostEntry(**_view(row)) for row in found[:limit]]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return CostEntryPage(data=views, has_more=len(found) > limit, first_id=first, last_id=last)


def explained(session: Session, team_id: UUID | None, entry_id: UUID) -> ExplainedEntry:
    """The entry with the price it was reckoned with, what it corrects and what corrects it.

    `team_id` narrows it to one team. Raises UnknownEntry.
    """
    found = _one(session, team_id, entry_id)
    price = catalog.price_by_id(session, found.price_id) if found.price_id else None
    corrections = session.execute(_select().where(_E.corrects == entry_id).order_by(_E.seq)).all()
    corrected = _one(session, team_id, found.corrects) if found.corrects else None
    return ExplainedEntry(
        **_view(found),
        price_row=catalog.PriceView.of(price) if price else None,
        corrected_entry=CostEntry(**_view(corrected)) if corrected else None,
        corrections=[CostEntry(**_view(row)) for row in corrections],
    )


def _select() -> Any:
    return select(*(shown.of for shown in _SHOWN))


def _next(session: Session, asked: AskedEntries, after: Place | None, limit: int) -> list[Any]:
    wanted = _select().where(*of_entries(asked.span, asked.filters, asked.team_id))
    if asked.recorded_until is not None:
        wanted = wanted.where(_E.recorded_at <= asked.recorded_until)
    if after is not None:
        # The first condition alone lets Postgres begin at the day; the second is the exact place.
        wanted = wanted.where(_E.posted_on <= after.posted_on, tuple_(_E.posted_on, _E.id) < tuple_(*after))
    return list(session.execute(wanted.order_by(_E.posted_on.desc(), _E.id.desc()).limit(limit)).all())


def _one(session: Session, team_id: UUID | None, entry_id: UUID) -> Any:
    mine = () if team_id is None else (_E.team_id == team_id,)
    found = session.execute(_select().where(_E.id == entry_id, *mine)).one_or_none()
    if found is None:
        raise UnknownEntry(entry=ids.show("entry", entry_id))
    return found


def _place_of(session: Session, team_id: UUID | None, entry_id: UUID) -> Place:
    found = _one(session, team_id, entry_id)
    return Place(found.posted_on, entry_id)


def _view(row: Any) -> dict[str, Any]:
    """The row as JSON has it; a text that files have for yes and no is one here."""
    values = zip(_SHOWN, row, strict=True)
    return {
        shown.name: value if value is None or shown.show is None or shown.name == "accrued" else shown.show(value)
        for shown, value in values
    }
