"""The price book: everybody reads it, finance and operators add to it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Response

from service import catalog
from service.api import tables
from service.api.catalog import NAME, MayRead, Provider
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock, ids
from service.kit.bodies import Instant
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.pages import Page, page_of

router = APIRouter(tags=["catalog"])

_LIMIT: Final = 1000
MayWrite = Annotated[Actor, May("prices:write")]


@router.get(
    "/v1/prices",
    summary="List prices",
    response_model=Page[catalog.PriceRowView],
    responses=tables.either("Prices, as JSON or as a price list that can be imported.") | problems(401, 403, 404, 422),
)
def list_prices(
    *,
    actor: MayRead,
    provider: Provider = None,
    model: Annotated[str | None, Query(pattern=NAME, description="Only this base model's, by its id.")] = None,
    meter: Annotated[str | None, Query(pattern=NAME, description="Only of this meter.")] = None,
    tier: Annotated[str | None, Query(pattern=NAME, description="Only of this tier.")] = None,
    at: Annotated[Instant | None, Query(description="The prices in force at this instant, not now.")] = None,
    history: Annotated[bool, Query(description="Every row there was, is and will be, whatever `at` is.")] = False,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=_LIMIT, description="Items a page.")] = _LIMIT,
    form: tables.Form = None,
    accept: tables.Accept = "",
) -> Any:
    """The prices in force by provider, model, meter and tier; of one meter the latest first. CSV has no pages."""
    moment = None if history else at or clock.now()
    only = {"provider": provider, "model": model, "meter": meter, "tier": tier}
    wants_csv = tables.wants_csv(form, accept)
    with read_only(actor) as session:
        since = ids.read("price", after) if after is not None else None
        most = None if wants_csv else limit + 1
        found = catalog.price_list(session, moment, after=since, limit=most, **only)
    if wants_csv:
        return tables.table_file("csv", "prices", catalog.PRICE_COLUMNS, [catalog.price_rows(found)])
    return page_of(found[:limit], has_more=len(found) > limit)


@router.post("/v1/prices", status_code=201, summary="Add a price", responses=problems(401, 403, 409, 422))
def add_price(body: catalog.PriceCreate, response: Response, actor: MayWrite) -> catalog.PriceRowView:
    """Add what a meter of a model costs from an instant on. It ends the row before it; no row is ever altered.

    In the past only where nothing was in force then: `409 price_in_the_past`. Repeating it changes nothing.
    """
    with unit_of_work(actor) as session:
        made = catalog.add_price(session, actor, body, at=clock.now())
    response.headers["Location"] = f"/v1/prices?history=true&provider={made.provider}&model={made.model}"
    return made


@router.post(
    "/v1/prices/import",
    summary="Import a price list",
    responses=problems(401, 403, 422),
)
def import_prices(
    actor: MayWrite,
    content: Annotated[
        bytes, Body(media_type="text/csv", description="The columns of `GET /v1/prices?format=csv`, in any order.")
    ],
    *,
    dry_run: Annotated[bool, Query(description="Only tell what would be done.")] = False,
) -> catalog.PriceImport:
    """Add every row of a CSV, or none of them: `422 price_list_invalid` names each bad line and field in `facts`.

    Rows that are in the book just so are left alone, so a list can be imported again. Columns `tier`, `list_amount`,
    `currency` and `unit_quantity` may be left out.
    """
    with unit_of_work(actor) as session:
        return catalog.import_prices(session, actor, content, dry_run=dry_run, at=clock.now())
