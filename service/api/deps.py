"""Who may call a route: `actor: Annotated[Actor, May("teams:read")]`.

Checked in this order: a valid key (401), how often it asks (429), its scope (403), a team's key where one is needed
(403); the route then looks for the object (404).
"""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from service import tenants
from service.api import rates
from service.api.errors import KeyMissing, ScopeMissing, TeamArchived, TeamKeyRequired
from service.kit import clock, logs
from service.kit.db import unit_of_work
from service.kit.identity import AUTH, Actor
from service.kit.settings import settings

BEARER: Final = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="tp_<environment>_<key id>_<secret>_<checksum>",
    description="An API key of a team, of finance or of an operator. Its role must have the scopes an operation names.",
    auto_error=False,
)


def May(scope: str) -> Any:  # noqa: N802 - reads as a type: Annotated[Actor, May("jobs:read")]
    """Any key whose role has `scope`."""
    return Security(authorized, scopes=[scope])


def MayAsTeam(scope: str) -> Any:  # noqa: N802
    """A key that has `scope` and belongs to a team, because what is asked for does."""
    return Security(authorized_team, scopes=[scope])


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Actor:
    """The key's actor, with what the audit wants to know of the request. Raises Unauthenticated."""
    if credentials is None:
        raise KeyMissing
    with unit_of_work(AUTH, seconds=settings().auth_seconds) as session:
        actor = tenants.authenticate(session, credentials.credentials, clock.now())
        request.state.allowed_rates = request.app.state.known_rates.of(session, actor.team_id)
    ip = request.client.host if request.client else None
    return replace(actor, request_id=getattr(request.state, "request_id", None), ip=ip)


async def counted(request: Request, actor: Annotated[Actor, Depends(caller)]) -> Actor:
    """The actor, its request counted: once, however many dependencies of a route ask. Raises RateLimited."""
    await rates.count(request, actor, request.state.allowed_rates)
    return actor


async def authorized(scopes: SecurityScopes, actor: Annotated[Actor, Depends(counted)]) -> Actor:
    """The actor, if its key has every scope. Raises ScopeMissing or TeamArchived.

    `async` although the domain is not: what a thread binds to the log's context is gone when the thread is done.
    """
    logs.bind(actor=actor.name, team_id=str(actor.team_id) if actor.team_id else None)
    for scope in scopes.scopes:
        if scope not in actor.scopes:
            if actor.is_archived and scope in tenants.SCOPES[tenants.Role(actor.role)]:
                raise TeamArchived
            raise ScopeMissing(role=actor.role, scope=scope)
    return actor


async def authorized_team(actor: Annotated[Actor, Depends(authorized)]) -> Actor:
    """The same for what only a team can have. Raises TeamKeyRequired."""
    if actor.team_id is None:
        raise TeamKeyRequired(role=actor.role)
    return actor
