"""The entries of the ledger: down from any cell of a report to the provider's job."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from service import costs
from service.api import tables
from service.api.costs import MayRead, as_of, filters, span
from service.api.errors import problems
from service.kit.db import read_only
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX
from service.kit.settings import settings
from service.kit.tables import Batch

router = APIRouter(tags=["costs"])


@router.get(
    "/v1/costs/entries",
    summary="List or download cost entries",
    response_model=costs.reports.CostEntryPage,
    responses=tables.any_of("A page of entries, or all of them as CSV, XLSX or Parquet.")
    | problems(401, 403, 404, 422, 503),
)
def list_cost_entries(
    response: Response,
    *,
    actor: MayRead,
    days: Annotated[costs.reports.Span, Depends(span)],
    wanted: Annotated[costs.reports.Filters, Depends(filters)],
    moment: Annotated[datetime | None, Depends(as_of)],
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Entries of a page of JSON.")] = LIMIT_DEFAULT,
    form: tables.AnyForm = None,
    accept: tables.Accept = "",
) -> costs.reports.CostEntryPage | Response:
    """What a report adds up, newest first, by the same days, filters and moment.

    A file has all of them, however many, and is sent while it is read. What is booked meanwhile is not in it.
    """
    asked = costs.reports.AskedEntries(span=days, team_id=actor.team_id, filters=wanted, recorded_until=moment)
    file = tables.file_wanted(form, accept)
    if file is not None:
        name = f"cost-entries-{days}".replace("/", "_")
        return tables.table_file(file, name, costs.reports.ENTRY_COLUMNS, _all(actor, asked))
    response.headers["Vary"] = "Accept"
    place = None if after is None else read("entry", after)
    with read_only(actor) as session:
        return costs.reports.entry_page(session, asked, after=place, limit=limit)


def _all(actor: Actor, asked: costs.reports.AskedEntries) -> Iterator[Batch]:
    """Page by page by their key, each in a short unit: however slowly a client reads, no transaction waits for it."""
    place: costs.reports.Place | None = None
    while True:
        with read_only(actor, seconds=settings().report_unit_seconds) as session:
            if asked.recorded_until is None:
                asked = replace(asked, recorded_until=costs.reports.recorded_by_now(session))
            rows, place = costs.reports.entry_rows(session, asked, after=place)
        yield rows
        if place is None:
            return


@router.get("/v1/costs/entries/{entry}", summary="Explain a cost entry", responses=problems(401, 403, 404, 503))
def get_cost_entry(
    entry: Annotated[str, Path(description="Id of an entry.", examples=["entry_01kagdwb7c8f5t2m4n6p8q0rsv"])],
    actor: MayRead,
) -> costs.reports.ExplainedEntry:
    """The entry with its row of the price book, its job here and at the provider, and its corrections."""
    entry_id = read("entry", entry)
    with read_only(actor) as session:
        return costs.reports.explained(session, actor.team_id, entry_id)
