"""Teams and their API keys. Operators see every team, a team's admin its own: any other is 404."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service import connections, tenants
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["teams"])

TeamRef = Annotated[str, Path(description="Slug or id of the team.", examples=["support-bot"])]
KeyRef = Annotated[str, Path(description="Id of the key.", examples=["key_01k8z0q3v6fq0r2m9t6c4x5y7z"])]
After = Annotated[str | None, Query(description="`last_id` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")]


@router.post("/v1/teams", status_code=201, summary="Create a team", responses=problems(401, 403, 404, 409, 422))
def create_team(
    body: tenants.TeamCreate, response: Response, actor: Annotated[Actor, May("teams:write")]
) -> tenants.TeamView:
    """Found a team. It can spend nothing until it has a budget and do nothing until it has a key."""
    with unit_of_work(actor) as session:
        chosen = connections.find(session, body.connection).id if body.connection else None
        team = tenants.create_team(session, actor, body, connection_id=chosen)
    response.headers["Location"] = f"/v1/teams/{team.slug}"
    return team


@router.get("/v1/teams", summary="List teams", responses=problems(401, 403, 404, 422))
def list_teams(
    actor: Annotated[Actor, May("teams:read")], after: After = None, limit: Limit = LIMIT_DEFAULT
) -> Page[tenants.TeamView]:
    """All teams, newest first."""
    with read_only(actor) as session:
        return tenants.list_teams(session, after=read("team", after) if after else None, limit=limit)


@router.get("/v1/teams/{team}", summary="Read a team", responses=problems(401, 403, 404))
def get_team(team: TeamRef, actor: Annotated[Actor, May("teams:read")]) -> tenants.TeamView:
    """One team, by its slug or id."""
    with read_only(actor) as session:
        return tenants.show_team(session, team, within=actor.team_id)


@router.patch("/v1/teams/{team}", summary="Change a team", responses=problems(401, 403, 404, 409, 422))
def update_team(
    team: TeamRef, body: tenants.TeamUpdate, actor: Annotated[Actor, May("teams:write")]
) -> tenants.TeamView:
    """Rename it, move it to another cost center, choose the account of its next jobs, archive it or take it back.

    Jobs already taken on stay where they are, and what is booked keeps the names it was booked under.
    """
    with unit_of_work(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        chosen = connections.find(session, body.connection).id if body.connection else None
        return tenants.change_team(session, actor, owner.id, body, at=clock.now(), connection_id=chosen)


@router.post(
    "/v1/teams/{team}/keys", status_code=201, summary="Create an API key", responses=problems(401, 403, 404, 422)
)
def create_team_key(
    team: TeamRef, body: tenants.KeyCreate, response: Response, actor: Annotated[Actor, May("keys:write")]
) -> tenants.KeyCreated:
    """Make a key of the team. The answer holds the whole key, this once; if the answer is lost, revoke the key it made.

    To rotate a key make the next one first, move to it and then revoke the old one.
    """
    with unit_of_work(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        made, plaintext = tenants.create_key(
            session,
            actor,
            team_id=owner.id,
            role=tenants.Role(body.role),
            name=body.name,
            expires_at=body.expires_at,
            at=clock.now(),
        )
    response.headers["Cache-Control"] = "no-store"
    return tenants.KeyCreated(key=plaintext, **made.model_dump())


@router.get("/v1/teams/{team}/keys", summary="List a team's API keys", responses=problems(401, 403, 404, 422))
def list_team_keys(
    team: TeamRef, actor: Annotated[Actor, May("keys:read")], after: After = None, limit: Limit = LIMIT_DEFAULT
) -> Page[tenants.KeyView]:
    """The team's keys, newest first, revoked and expired ones included. Never their secrets."""
    with read_only(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        return tenants.list_keys(session, owner.id, after=read("key", after) if after else None, limit=limit)


@router.delete("/v1/teams/{team}/keys/{key}", summary="Revoke an API key", responses=problems(401, 403, 404))
def revoke_team_key(team: TeamRef, key: KeyRef, actor: Annotated[Actor, May("keys:write")]) -> tenants.KeyView:
    """End a key at once and for ever. Revoking it again changes nothing and answers the same."""
    with unit_of_work(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id)
        return tenants.revoke_key(session, actor, read("key", key), team_id=owner.id, at=clock.now())
