"""The cost report, for programs and for spreadsheets."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response

from service import costs
from service.api import tables
from service.api.conditions import IfNoneMatch, answered
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.bodies import Instant
from service.kit.db import read_only
from service.kit.identity import Actor
from service.kit.settings import settings
from service.kit.tables import Batch

router = APIRouter(tags=["costs"])

MayRead = Annotated[Actor, May("costs:read")]
Values = Annotated[list[str] | None, Query(max_length=100, description="Only these; an empty value: what has none.")]
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "You have it already."}}


def span(
    period: Annotated[str | None, Query(description="A month as YYYY-MM; the present one in UTC if absent.")] = None,
    start: Annotated[date | None, Query(description="With `end` in place of a month: the first day.")] = None,
    end: Annotated[date | None, Query(description="The day after the last.")] = None,
) -> costs.reports.Span:
    """The days (UTC) asked for."""
    return costs.reports.span(period, start, end, at=clock.now())


def filters(  # noqa: PLR0917 - a parameter of the URL each
    team: Values = None,
    cost_center: Values = None,
    product: Values = None,
    environment: Values = None,
    provider: Values = None,
    base_model: Values = None,
    model: Values = None,
    job: Values = None,
    meter: Values = None,
) -> costs.reports.Filters:
    """What must hold of every amount; one value of each key."""
    return costs.reports.filters(
        {
            "team": team, "cost_center": cost_center, "product": product, "environment": environment,
            "provider": provider, "base_model": base_model, "model": model, "job": job, "meter": meter,
        }
    )  # fmt: skip


def as_of(
    moment: Annotated[
        Instant | None,
        Query(alias="as_of", description="The report as it was then: at least a minute ago, with a time zone."),
    ] = None,
) -> datetime | None:
    """The moment asked for."""
    return costs.reports.as_of(moment, at=clock.now())


def asked(
    days: Annotated[costs.reports.Span, Depends(span)],
    wanted: Annotated[costs.reports.Filters, Depends(filters)],
    moment: Annotated[datetime | None, Depends(as_of)],
    group_by: Annotated[str, Query(description=f"Any of {', '.join(costs.GROUPS)}, with commas between.")] = "team",
    sort: Annotated[
        str | None, Query(description="A measure, `-` before it for the largest first. Without it by the keys.")
    ] = None,
) -> costs.reports.Asked:
    """The report asked for, of whatever teams the caller may see."""
    groups, order = costs.groups(group_by), costs.reports.sort(sort)
    return costs.reports.Asked(span=days, group_by=groups, filters=wanted, as_of=moment, sort=order)


@router.get(
    "/v1/costs",
    summary="Report costs",
    response_model=costs.reports.CostReport,
    responses=tables.any_of("The report, as JSON, CSV, XLSX or Parquet.")
    | _UNCHANGED
    | problems(401, 403, 404, 422, 503),
)
def get_costs(
    *,
    actor: MayRead,
    wanted: Annotated[costs.reports.Asked, Depends(asked)],
    after: Annotated[str | None, Query(max_length=4000, description="`next` of the page before.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=costs.reports.ROWS_MAX, description="Rows of a page of JSON.")
    ] = costs.reports.ROWS_MAX,
    form: tables.AnyForm = None,
    accept: tables.Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """What was charged in the period and what is held for it now, both of one moment; a team's key sees its own team.

    `total` is the sum of all rows, whatever the page, to the last digit. What belongs to no team, model, … is a row of
    its own, with null. A file has all rows, JSON up to 50,000 a page; with `as_of` all pages are of that moment.

    The report of a closed month is the same bytes whenever it is asked for, and its `ETag` says `closed`.
    """
    wanted = replace(wanted, team_id=actor.team_id)
    file = tables.file_wanted(form, accept)
    if file is not None:
        name = f"costs-{wanted.span}".replace("/", "_")
        return tables.table_file(file, name, costs.reports.columns(wanted), _all_rows(actor, wanted))
    report = _report(actor, wanted, after, limit)
    body = costs.reports.as_json(report)
    return answered(body, costs.reports.etag(report, body), if_none_match)


def _all_rows(actor: Actor, wanted: costs.reports.Asked) -> Iterator[Batch]:
    """Page by page, each in a short unit. Beyond the first page nothing counts that was booked since it."""
    began, after = clock.now(), None
    while True:
        report = _report(actor, wanted, after, costs.reports.ROWS_MAX)
        yield costs.reports.table(report)
        if report.next is None:
            return
        after, wanted = report.next, replace(wanted, booked_until=wanted.booked_until or began)


def _report(actor: Actor, wanted: costs.reports.Asked, after: str | None, limit: int) -> costs.reports.Report:
    place = None if after is None else costs.reports.cursor_of(after, wanted)
    with read_only(actor, seconds=settings().report_unit_seconds) as session:
        return costs.reports.report(session, wanted, after=place, limit=limit)
