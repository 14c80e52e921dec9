"""What tuned models were used for, and whose the provider's keys and projects are."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from service import connections, costs, tenants
from service.api.connections import ConnectionRef
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["costs"])

After = Annotated[str | None, Query(description="`last_id` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")]
MayAssign = Annotated[Actor, May("usage:assign")]
Kind = Annotated[Literal["project", "api_key"], Path(description="What it is at the provider.")]
ExternalId = Annotated[
    str, Path(min_length=1, max_length=128, description="Its id at the provider.", examples=["key_abc"])
]


@router.get("/v1/costs/usage", summary="List usage", responses=problems(401, 403, 404, 422))
def list_usage(
    actor: Annotated[Actor, May("costs:read")],
    *,
    period: Annotated[
        str | None, Query(description="A month as YYYY-MM; without it the present one.", examples=["2026-11"])
    ] = None,
    team: Annotated[str | None, Query(description="Slug or id of a team.")] = None,
    connection: Annotated[str | None, Query(description="Id or name of an account.")] = None,
    model: Annotated[str | None, Query(description="A tuned model's id at the provider.")] = None,
    state: Annotated[costs.UsageState | None, Query(description="Only lines in this state.")] = None,
    unallocated: Annotated[bool, Query(description="Only what belongs to no team, as far as we know.")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> costs.UsagePage:
    """What tuned models were used for in a month, by day, key, model and meter, as the provider tells it a day later.

    A team's key sees its own team only. What is `unpriced` is not in the ledger: give the price book its price.
    `accounts` tells finance how far each has been read, or why it cannot be: `no_admin_key` where nobody has set one.
    """
    with read_only(actor) as session:
        whose = tenants.find_team(session, team, within=actor.team_id).id if team else actor.team_id
        wanted = costs.UsageFilter(
            costs.period(period or f"{clock.now():%Y-%m}"),
            team_id=whose,
            connection_id=connections.account(session, connection).id if connection else None,
            model=model,
            state=state,
            is_unallocated=unallocated,
        )
        last = read("usage", after) if after else None
        return costs.list_usage(session, wanted, after=last, limit=limit, tell_accounts=actor.team_id is None)


@router.get("/v1/usage-owners", summary="List owners of usage", responses=problems(401, 403, 404, 422))
def list_usage_owners(
    actor: MayAssign, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> Page[costs.UsageOwnerView]:
    """Which keys and projects of the provider are which team's, newest first."""
    with read_only(actor) as session:
        return costs.list_usage_owners(session, after=read("uown", after) if after else None, limit=limit)


@router.put(
    "/v1/connections/{connection}/usage-owners/{kind}/{external_id}",
    summary="Say whose a key or project is",
    responses=problems(401, 403, 404, 422),
)
def set_usage_owner(
    connection: ConnectionRef, kind: Kind, external_id: ExternalId, body: costs.UsageOwnerSet, actor: MayAssign
) -> costs.UsageOwnerView:
    """What the key or project uses is the team's from now on; a key goes before its project, both before the model.

    What was booked on nobody moves to the team at the next reading; what is another team's stays there.
    """
    with unit_of_work(actor) as session:
        account, team = connections.account(session, connection), tenants.find_team(session, body.team)
        return costs.set_usage_owner(session, actor, account, kind=kind, external_id=external_id, team=team)


@router.delete(
    "/v1/connections/{connection}/usage-owners/{kind}/{external_id}",
    status_code=204,
    summary="Take back whose a key or project is",
    responses=problems(401, 403, 404, 422),
)
def remove_usage_owner(connection: ConnectionRef, kind: Kind, external_id: ExternalId, actor: MayAssign) -> Response:
    """What it uses from now on is the team's that made the model, or nobody's. What is booked stays."""
    with unit_of_work(actor) as session:
        account = connections.account(session, connection)
        costs.remove_usage_owner(session, actor, account, kind=kind, external_id=external_id)
    return Response(status_code=204)
