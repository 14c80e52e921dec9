"""FOCUS: the ledger for finance's tools, with the metadata beside it."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from service import costs
from service.api import tables
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.settings import settings
from service.kit.tables import Batch

router = APIRouter(tags=["costs"])

MayExport = Annotated[Actor, May("costs:export")]
Month = Annotated[str | None, Query(description="A billing period as YYYY-MM, in UTC.", examples=["2026-10"])]
Version = Annotated[costs.focus.Version, Query(description="Of the specification; 1.2 and 1.3 for older tools.")]
File = Annotated[Literal["csv", "parquet"], Query(alias="format", description="How the file is written.")]
_FILES: Final = {form: tables.FILES[form] for form in ("csv", "parquet")}
_METADATA: Final = "/v1/costs/focus/metadata"


class FocusMetadata(BaseModel):
    """Who made the data, and the schema of each dataset."""

    DataGenerator: str
    Schemas: list[dict[str, Any]]


def _file(description: str) -> dict[int | str, dict[str, Any]]:
    content = {media: {"schema": {"type": "string", "format": "binary"}} for media in _FILES.values()}
    return {200: {"description": description, "content": content, "headers": tables.AS_A_FILE}}


@router.get(
    "/v1/costs/focus/cost-and-usage",
    summary="Export costs as FOCUS",
    response_class=Response,
    responses=_file("FOCUS Cost and Usage; the `Link` header names its metadata.") | problems(401, 403, 422),
)
def export_cost_and_usage(
    actor: MayExport, period: Month = None, focus_version: Version = costs.focus.LATEST, form: File = "csv"
) -> Response:
    """Every ledger entry of a billing period, of all teams, a row each; without `period` those of the present month.

    `BilledCost` sums to the ledger. Of a closed period it is always the same file. Null is an empty cell in CSV.
    """
    month = costs.period(period or f"{clock.now():%Y-%m}")
    with unit_of_work(actor) as session:
        export = costs.focus.begin(session, month, focus_version)
    columns = [one.column for one in export.columns]
    answer = tables.table_file(form, f"focus-cost-and-usage-{month}", columns, _pages(actor, export))
    return _described(answer, "Cost and Usage", focus_version)


@router.get(
    "/v1/costs/focus/billing-periods",
    summary="Export billing periods as FOCUS",
    response_class=Response,
    responses=_file("FOCUS Billing Period; the `Link` header names its metadata.") | problems(401, 403, 422),
)
def export_billing_periods(actor: MayExport, period: Month = None, form: File = "csv") -> Response:
    """A row for each month with costs and each issuer of invoices, open or closed; without `period` all of them."""
    month = costs.period(period) if period is not None else None
    with read_only(actor, seconds=settings().worker_unit_seconds) as session:
        rows = costs.focus.billing_periods(session, month)
    answer = tables.table_file(form, "focus-billing-periods", costs.focus.BILLING_PERIOD, [rows])
    return _described(answer, "Billing Period", costs.focus.LATEST)


@router.get(_METADATA, summary="Read the metadata of FOCUS exports", responses=problems(401, 403, 422))
def get_focus_metadata(_: MayExport, focus_version: Version = costs.focus.LATEST) -> FocusMetadata:
    """The schema of each dataset: its columns, their types, digits and encodings. Each version has one of its own."""
    return FocusMetadata(**costs.focus.metadata(focus_version))


def _pages(actor: Actor, export: costs.focus.Export) -> Iterator[Batch]:
    """A unit for each: a long export holds up nobody."""
    after = None
    while True:
        with read_only(actor) as session:
            page = costs.focus.page(session, export, after)
        yield page.rows
        if (after := page.after) is None:
            return


def _described(answer: Response, dataset: str, version: costs.focus.Version) -> Response:
    """Data refers to its schema where nobody has to look into it (FOCUS, Schema metadata)."""
    answer.headers["Link"] = f'<{_METADATA}?focus_version={version}>; rel="describedby"'
    answer.headers["x-focus-schema-id"] = costs.focus.schema_id(dataset, version)
    return answer
