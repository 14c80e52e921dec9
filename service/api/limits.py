"""What teams may do beside spending. Operators set it, for the platform and for each team; teams see theirs."""

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service import datasets, jobs, quotas, tenants
from service.api.deps import May
from service.api.errors import problems
from service.api.teams import TeamRef
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor

router = APIRouter(tags=["limits"])

MayRead = Annotated[Actor, May("limits:read")]
MayWrite = Annotated[Actor, May("limits:write")]


@router.get("/v1/limits", summary="Read the platform's limits", responses=problems(401, 403))
def get_platform_limits(actor: Annotated[Actor, May("teams:read")]) -> quotas.LimitsView:
    """What holds for every team that has nothing else set."""
    with read_only(actor) as session:
        return quotas.show_platform_limits(session)


@router.put("/v1/limits", summary="Set the platform's limits", responses=problems(401, 403, 422))
def set_platform_limits(body: quotas.LimitsSet, actor: MayWrite) -> quotas.LimitsView:
    """Replace all of them: what is absent is a default from now on. Jobs already taken on are not touched."""
    with unit_of_work(actor) as session:
        quotas.set_platform_limits(session, actor, body)
        return quotas.show_platform_limits(session)


@router.get("/v1/teams/{team}/limits", summary="Read a team's limits", responses=problems(401, 403, 404))
def get_team_limits(team: TeamRef, actor: MayRead) -> quotas.LimitsView:
    """The limits in force, whose word each of them is, and how much of it is used."""
    with read_only(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        return _shown(session, owner)


@router.put("/v1/teams/{team}/limits", summary="Set a team's limits", responses=problems(401, 403, 404, 422))
def set_team_limits(team: TeamRef, body: quotas.LimitsSet, actor: MayWrite) -> quotas.LimitsView:
    """Replace all of them: what is absent is inherited from now on. Jobs already taken on are not touched."""
    with unit_of_work(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        quotas.set_team_limits(session, actor, owner, body)
        return _shown(session, owner)


def _shown(session: Session, team: tenants.TeamFacts) -> quotas.LimitsView:
    running, stored = jobs.slots_held(session, team.id), datasets.stored_bytes(session, team.id)
    return quotas.show_limits(session, team, clock.now(), running=running, stored=stored)
