"""Everything a team may use, at one look."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

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
        owner = _owner(session, actor, team)
    with read_only(actor.within(owner.id)) as session:  # finance may not look at jobs, only be told how many there are
        running, stored = jobs.slots_held(session, owner.id), datasets.stored_bytes(session, owner.id)
        return quotas.quota(session, owner, clock.now(), running=running, stored=stored)


def _owner(session: Session, actor: Actor, team: str | None) -> tenants.TeamFacts:
    if team is not None:
        return tenants.find_team(session, team, within=actor.team_id)
    if actor.team_id is None:
        raise TeamNotNamed(role=actor.role, pointer="team")
    return tenants.team(session, actor.team_id)
