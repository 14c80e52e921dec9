"""Beyond what was spent: what will be, how good estimates were, and what was trained for nothing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service import costs
from service.api.costs import MayRead, filters, span
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import SYSTEM
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page
from service.kit.settings import settings

router = APIRouter(tags=["costs"])

Group = Annotated[str, Query(description=f"One of {', '.join(costs.reports.OUTLOOK_GROUPS)}.")]
Days = Annotated[costs.reports.Span, Depends(span)]
Wanted = Annotated[costs.reports.Filters, Depends(filters)]


@router.get("/v1/costs/forecast", summary="Forecast costs", responses=problems(401, 403, 404, 422, 503))
def get_cost_forecast(actor: MayRead, days: Days, wanted: Wanted, group_by: Group = "team") -> costs.reports.Forecast:
    """What the period, the present month if none is named, will have cost at its end, and how that was reckoned."""
    by = costs.reports.outlook_group(group_by)
    with read_only(actor, seconds=settings().report_unit_seconds) as session:
        return costs.reports.forecast(session, days, by, team_id=actor.team_id, filters=wanted, at=clock.now())


@router.get("/v1/costs/accuracy", summary="Compare estimates with bills", responses=problems(401, 403, 404, 422, 503))
def get_cost_accuracy(actor: MayRead, days: Days, wanted: Wanted, group_by: Group = "team") -> costs.reports.Accuracy:
    """What was held for jobs against what their training was billed, and the ten that were furthest off."""
    by = costs.reports.outlook_group(group_by)
    with read_only(actor, seconds=settings().report_unit_seconds) as session:
        return costs.reports.accuracy(session, days, by, team_id=actor.team_id, filters=wanted)


@router.get("/v1/costs/idle-models", summary="Find idle tuned models", responses=problems(401, 403, 422, 503))
def list_idle_models(
    actor: MayRead,
    days: Annotated[int, Query(ge=1, le=3650, description="Unused for so long.")] = costs.reports.IDLE_DAYS,
    after: Annotated[str | None, Query(max_length=255, description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Models of a page.")] = LIMIT_DEFAULT,
) -> Page[costs.reports.IdleModel]:
    """Tuned models the provider's usage has not named for a while, and what they cost; by the model's name.

    Only models of accounts whose usage is read: an account without an admin key says nothing.
    """
    idle, place = list[costs.reports.OldModel](), after
    while len(idle) <= limit:
        with read_only(actor) as session:
            old = costs.reports.old_models(session, team_id=actor.team_id, days=days, after=place)
        with read_only(SYSTEM) as session:
            idle += costs.reports.unused(session, old, days=days)
        if len(old) < costs.reports.MODELS_BATCH:
            break
        place = old[-1].model
    with read_only(actor) as session:
        return costs.reports.idle_page(session, idle, limit=limit)
