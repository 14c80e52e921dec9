"""The cost report, for programs and for spreadsheets."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Response

from service import costs
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import Actor

router = APIRouter(tags=["costs"])

Month = Annotated[str | None, Query(description="A month as YYYY-MM; without it the present one in UTC.")]
Groups = Annotated[str, Query(description="Any of `team`, `base_model`, `model`, `job`, with commas between.")]
Form = Annotated[
    Literal["json", "csv"] | None,
    Query(alias="format", description="Without it CSV comes where `Accept` names text/csv and no JSON."),
]
Accept = Annotated[str, Header(include_in_schema=False)]

_CSV: Final = "text/csv"
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report, as JSON or CSV.",
        "content": {_CSV: {"schema": {"type": "string"}}},
        "headers": {"Content-Disposition": {"description": "CSV comes as a file.", "schema": {"type": "string"}}},
    }
}


@router.get(
    "/v1/costs",
    summary="Report costs",
    response_model=costs.CostReport,
    response_model_exclude_unset=True,  # a row has the keys that were asked for, null or not, and no others
    responses=_ANSWER | problems(401, 403, 422),
)
def get_costs(
    response: Response,
    *,
    actor: Annotated[Actor, May("costs:read")],
    period: Month = None,
    group_by: Groups = "team",
    form: Form = None,
    accept: Accept = "",
) -> costs.CostReport | Response:
    """What was charged in a month and what is held now, both of one moment. A team's key sees its own team only."""
    month = costs.period(period or f"{clock.now():%Y-%m}")
    with read_only(actor) as session:
        report = costs.report(session, month, costs.groups(group_by), team_id=actor.team_id)
    if form == "csv" or (form is None and _wants_csv(accept)):
        return _file(costs.as_csv(report), f"costs-{month}.csv")
    response.headers["Vary"] = "Accept"
    return report


def _wants_csv(accept: str) -> bool:
    named = [part.split(";")[0].strip() for part in accept.lower().split(",")]
    return _CSV in named and "application/json" not in named


def _file(content: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept",
    }
    return Response(content, media_type=_CSV, headers=headers)
