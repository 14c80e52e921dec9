"""The cost report, for programs and for spreadsheets."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service import costs
from service.api import tables
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import Actor

router = APIRouter(tags=["costs"])

Month = Annotated[str | None, Query(description="A month as YYYY-MM; without it the present one in UTC.")]
Groups = Annotated[str, Query(description="Any of `team`, `base_model`, `model`, `job`, with commas between.")]


@router.get(
    "/v1/costs",
    summary="Report costs",
    response_model=costs.CostReport,
    response_model_exclude_unset=True,  # a row has the keys that were asked for, null or not, and no others
    responses=tables.either("The report, as JSON or CSV.") | problems(401, 403, 422),
)
def get_costs(
    response: Response,
    *,
    actor: Annotated[Actor, May("costs:read")],
    period: Month = None,
    group_by: Groups = "team",
    form: tables.Form = None,
    accept: tables.Accept = "",
) -> costs.CostReport | Response:
    """What was charged in a month and what is held now, both of one moment. A team's key sees its own team only."""
    month = costs.period(period or f"{clock.now():%Y-%m}")
    with read_only(actor) as session:
        report = costs.report(session, month, costs.groups(group_by), team_id=actor.team_id)
    if tables.wants_csv(form, accept):
        return tables.csv_file(costs.as_csv(report), f"costs-{month}.csv")
    response.headers["Vary"] = "Accept"
    return report
