"""Every route is guarded, and each role may do exactly what the table of scopes says."""

import re
from typing import Any

import httpx2
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from service import tenants
from service.api.app import create_api
from service.api.deps import authorized_team
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI
from service.tenants import SCOPES, Role
from tests.stack import Client, Platform
from tests.until import until

PUBLIC = {"/livez", "/readyz", "/openapi.json", "/problems/{code}", "/v1/provider-webhooks/{connection}"}
IN_MEMORY = "/v1/models/{name}/resolve"


def dependants(root: Dependant) -> list[Dependant]:
    return [root, *(below for child in root.dependencies for below in dependants(child))]


def routes() -> list[tuple[str, str, str | None, bool]]:
    """Method, path, scope, and whether a team's key is needed."""
    found: list[tuple[str, str, str | None, bool]] = []
    for route in iter_route_contexts(create_api().routes):
        guards = dependants(route.dependant) if hasattr(route.original_route, "dependant") else []
        scopes = {scope for guard in guards for scope in guard.own_oauth_scopes or []}
        assert len(scopes) <= 1, f"{route.path} names more than one scope: {scopes}"
        needs_team = any(guard.call is authorized_team for guard in guards) or route.path == IN_MEMORY
        scope = next(iter(scopes), None)
        found.extend((method, str(route.path), scope, needs_team) for method in sorted(route.methods or ()))
    return found


GUARDED = [route for route in routes() if route[1] not in PUBLIC]


def test_every_route_but_the_public_ones_demands_a_scope_that_exists() -> None:
    known = frozenset().union(*SCOPES.values())
    for method, path, scope, _ in GUARDED:
        assert scope in known, f"{method} {path} demands {scope}"
    assert {path for _, path, scope, _ in routes() if scope is None} == PUBLIC


@pytest.fixture(scope="module")
def clients(platform: Platform) -> dict[Role, Client]:
    team = platform.team()
    made = {role: team.client(role) for role in (Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.RESOLVER)}
    with unit_of_work(CLI) as session:
        _, key = tenants.create_key(session, CLI, team_id=None, role=Role.FINANCE, name="books", at=clock.now())
    finance = Client(platform.stack.api_url, key)
    everybody = {**made, Role.OPERATOR: platform.operator, Role.FINANCE: finance}
    for client in everybody.values():
        until(lambda client=client: client.get("/v1/models/x/resolve").status_code != 401)  # type: ignore[misc]
    return everybody


def ask(client: Client | None, platform: Platform, method: str, path: str) -> tuple[int, Any]:
    """A request for things that do not exist, with a body that cannot be right: nothing comes of it."""
    path = re.sub(r"\{\w+\}", "nothing", path)
    http = client.http if client else httpx2.Client(base_url=platform.stack.api_url)
    sent = {"json": {"nonsense": True}} if method in ("POST", "PUT", "PATCH") else {}
    answered = http.request(method, path, **sent)  # type: ignore[arg-type]
    is_json = "json" in answered.headers.get("content-type", "")  # files are none
    return answered.status_code, answered.json().get("code") if is_json and answered.content else None


@pytest.mark.parametrize(("method", "path", "scope", "needs_team"), GUARDED)
def test_each_role_may_exactly_what_its_scopes_say(
    clients: dict[Role, Client], platform: Platform, method: str, path: str, scope: str, needs_team: bool
) -> None:
    assert ask(None, platform, method, path)[0] == 401
    for role, client in clients.items():
        status, code = ask(client, platform, method, path)
        told = code if method != "HEAD" else None
        if scope not in SCOPES[role]:
            assert (role, status) == (role, 403)
            assert told in ("scope_missing", None)
        elif needs_team and role in tenants.rules.PLATFORM_ROLES:
            assert (role, status) == (role, 403)
            assert told in ("team_key_required", None)
        else:
            assert status not in (401, 403, 500), f"{role} got {status} {code}"
