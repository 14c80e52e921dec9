"""Budgets, of the platform and of each team. Operators set them; a team sees its own, finance sees all."""

from typing import Annotated

from fastapi import APIRouter

from service import quotas, tenants
from service.api.deps import May
from service.api.errors import problems
from service.api.teams import TeamRef
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor

router = APIRouter(tags=["budgets"])


@router.get("/v1/budget", summary="Read the platform's budget", responses=problems(401, 403))
def get_platform_budget(actor: Annotated[Actor, May("teams:read")]) -> quotas.PlatformBudgetView:
    """What every team's months start with that has nothing else set."""
    with read_only(actor) as session:
        return quotas.platform_budget(session)


@router.put("/v1/budget", summary="Set the platform's budget", responses=problems(401, 403, 422))
def set_platform_budget(
    body: quotas.BudgetSet, actor: Annotated[Actor, May("budgets:write")]
) -> quotas.PlatformBudgetView:
    """Replace its terms, for this month of every team that inherits them and every later one."""
    with unit_of_work(actor) as session:
        quotas.set_platform_budget(session, actor, body, at=clock.now())
        return quotas.platform_budget(session)


@router.get("/v1/teams/{team}/budget", summary="Read a team's budget", responses=problems(401, 403, 404))
def get_budget(team: TeamRef, actor: Annotated[Actor, May("budgets:read")]) -> quotas.BudgetView:
    """The limit of this calendar month in the team's time zone, and what of it is spent, held and left."""
    with read_only(actor) as session:
        return quotas.budget(session, tenants.find_team(session, team, within=actor.team_id), clock.now())


@router.put("/v1/teams/{team}/budget", summary="Set a team's budget", responses=problems(401, 403, 404, 422))
def set_budget(
    team: TeamRef, body: quotas.BudgetSet, actor: Annotated[Actor, May("budgets:write")]
) -> quotas.BudgetView:
    """Replace its terms, for this month and every later one; what is absent it inherits.

    A limit below what is spent and held only stops new jobs; none is cancelled.
    """
    with unit_of_work(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        return quotas.set_budget(session, actor, owner, body, at=clock.now())
