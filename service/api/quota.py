"""Everything a team may use, at one look."""

from typing import Annotated

from fastapi import APIRouter, Query

from service import datasets, jobs, quotas, tenants
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only
from service.kit.errors import Invalid
from service.kit.identity import Actor

router = APIRouter(tags=["limits"])


class TeamNotNamed(Invalid):
    """A key of the role {role} belongs to no team: say which one you mean, with ?team=."""

    code = "team_not_named"


@router.get("/v1/quota", summary="Read a team's quota", responses=problems(401, 403, 404, 422))
def get_quota(
    actor: Annotated[Actor, May("budgets:read")],
    team: Annotated[str | None, Query(description="Slug or id of the team; a team's own key need not say it.")] = None,
) -> quotas.QuotaView:
    """Each limit with what is spent, held and left of it, whose word it is and when it counts afresh."""
    with read_only(actor) as session:
        if team is not None:
            owner = tenants.find_team(session, team, within=actor.team_id)
        elif actor.team_id is not None:
            owner = tenants.team(session, actor.team_id)
        else:
            raise TeamNotNamed(role=actor.role, pointer="team")
        running, stored = jobs.slots_held(session, owner.id), datasets.stored_bytes(session, owner.id)
        return quotas.quota(session, owner, clock.now(), running=running, stored=stored)
