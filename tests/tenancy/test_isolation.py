"""What one team has does not exist for another: every route, every role, with both locks and with each alone.

A route that is in none of the three tables of `routes` fails `test_every_route_has_its_place`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.api.app import create_api
from service.tenants import SCOPES, Role
from tests.stack import Client, Platform, conversations
from tests.tenancy.routes import EVERYBODYS, FOREIGN, OWN, Try
from tests.tenancy.world import (
    BASE_MODEL,
    NOBODYS,
    ROLES,
    SHARED_MODEL,
    Door,
    Tenant,
    rows_of,
)


def test_every_route_has_its_place() -> None:
    routes = {
        f"{method} {route.path}" for route in iter_route_contexts(create_api().routes) for method in route.methods or ()
    }
    assert routes == FOREIGN.keys() | OWN.keys() | EVERYBODYS.keys()
    for route, tries in FOREIGN.items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.partition(" ")[2])
        for one in tries:
            assert re.fullmatch(pattern, one.path.partition("?")[0]), f"{one.path} is not {route}"


@lru_cache
def description() -> dict[str, Any]:
    return create_api().openapi()


def scope_of(route: str) -> str:
    method, _, path = route.partition(" ")
    (guard,) = description()["paths"][path][method.lower()]["security"]
    (scope,) = guard["ApiKey"]
    return str(scope)


@pytest.mark.parametrize("route", FOREIGN)
def test_what_another_team_has_does_not_exist(
    door: Door, victim: Tenant, intruder: Tenant, platform: Platform, route: str
) -> None:
    """404 where the role may do such things to its own team's, 403 where it may not; as for what nobody has.

    Nothing of the other team's is read, changed or added: its rows are afterwards what they were.
    """
    own = {f"own_{name}": value for name, value in intruder.names.items()}
    theirs, before = victim.names, rows_of(platform.stack, victim.team.id)
    for role in ROLES:
        client, allowed = door.client(intruder, role), scope_of(route) in SCOPES[role]
        for one in FOREIGN[route]:
            foreign, unknown = (ask(client, route, one, names | own) for names in (theirs, NOBODYS))
            assert foreign.status_code == (404 if allowed else 403), f"{role}: {foreign.text}"
            assert shape(foreign, theirs) == shape(unknown, NOBODYS)
            if allowed and one.blames:
                assert [blame["pointer"] for blame in foreign.json()["errors"]] == [one.blames]
    assert rows_of(platform.stack, victim.team.id) == before


def ask(client: Client, route: str, one: Try, names: Mapping[str, str]) -> httpx2.Response:
    method = route.partition(" ")[0]
    return client.http.request(method, one.path.format_map(names), json=filled(one.body, names))


def filled(body: Any, names: Mapping[str, str]) -> Any:
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    return body.format_map(names) if isinstance(body, str) else body


def shape(answer: httpx2.Response, names: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    """An answer without what differs from request to request and without the names that were asked for."""
    text = answer.text.replace(answer.headers["x-request-id"], "<request>")
    for name, value in sorted(names.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(value, f"<{name}>")
    varying = ("x-request-id", "date", "content-length", "ratelimit", "retry-after")
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in varying}, text


@pytest.mark.parametrize("route", OWN)
def test_lists_and_reports_never_speak_of_another_team(
    door: Door, victim: Tenant, intruder: Tenant, route: str
) -> None:
    theirs, own = victim.marks(), intruder.marks()
    names = victim.names | {f"own_{name}": value for name, value in intruder.names.items()}
    for role in ROLES:
        for path in OWN[route]:
            answer = door.client(intruder, role).get(path.format_map(names))
            if scope_of(route) not in SCOPES[role]:
                assert answer.status_code == 403
                continue
            assert answer.status_code == 200, answer.text
            assert [mark for mark in theirs if mark in answer.text] == [], path
            if "after=" not in path:  # a list that shows nobody would prove nothing
                assert any(mark in answer.text for mark in own), path


def test_a_report_adds_up_ones_own_costs_only(door: Door, intruder: Tenant) -> None:
    client = door.client(intruder)
    spent = sum(Decimal(client.get(f"/v1/jobs/{job}").json()["cost"]) for job in intruder.jobs)
    assert spent > 0
    assert Decimal(client.get("/v1/costs").json()["total"]["cost"]) == spent


def test_an_idempotency_key_is_a_teams_own(door: Door, victim: Tenant, intruder: Tenant) -> None:
    """The same key in two teams: two requests, two jobs; and each still gets its own one back."""
    key = {"Idempotency-Key": f"at {door.url}"}
    made = {}
    for tenant in (victim, intruder):
        body = {"model": BASE_MODEL, "dataset": tenant.dataset}
        first = door.client(tenant).post("/v1/jobs", body, headers=key)
        assert first.status_code == 202, first.text
        assert "idempotent-replayed" not in first.headers
        made[tenant.word] = first.json()["id"]
    assert len(set(made.values())) == 2
    for tenant in (victim, intruder):
        again = door.client(tenant).post("/v1/jobs", {"model": BASE_MODEL, "dataset": tenant.dataset}, headers=key)
        assert (again.headers["idempotent-replayed"], again.json()["id"]) == ("true", made[tenant.word])
        assert tenant.team.collected(made[tenant.word])["state"] == "succeeded"


def test_the_same_bytes_in_two_teams_are_two_datasets(door: Door, victim: Tenant, intruder: Tenant) -> None:
    """Even "received before" would tell that somebody else has them."""
    content = conversations(topic=f"secret of {door.url}")
    made = [door.client(tenant).post("/v1/datasets", content=content) for tenant in (victim, intruder)]
    assert [answer.status_code for answer in made] == [202, 202]
    assert len({answer.json()["id"] for answer in made}) == 2
    assert door.client(victim).post("/v1/datasets", content=content).json()["id"] == made[0].json()["id"]


def test_a_model_of_the_same_name_is_each_teams_own(door: Door, victim: Tenant, intruder: Tenant) -> None:
    theirs = door.client(victim).get(f"/v1/models/{SHARED_MODEL}").json()
    ours = door.client(intruder).get(f"/v1/models/{SHARED_MODEL}").json()
    assert ours["id"] != theirs["id"]
    assert ([one["number"] for one in theirs["versions"]], [one["number"] for one in ours["versions"]]) == ([2, 1], [1])
    to_theirs = door.client(intruder).put(f"/v1/models/{SHARED_MODEL}/aliases/production", {"version": 2})
    assert (to_theirs.status_code, to_theirs.json()["code"]) == (404, "version_not_found")
    moved = door.client(intruder).put(f"/v1/models/{SHARED_MODEL}/aliases/next", {"version": 1})
    assert moved.status_code == 200
    assert door.client(victim).get(f"/v1/models/{SHARED_MODEL}").json() == theirs


WITHOUT_THESE_LOCKS: Final = {
    "GET /v1/me": "asks for the very key that asks",
    "GET /v1/teams": "no team's role may",
    "GET /v1/teams/{team}": "no team's role may",
    "GET /v1/teams/{team}/budget": "the team is looked up `within` the key's own first: see test_rows.py",
    "GET /v1/teams/{team}/limits": "the same",
    "GET /v1/quota": "the same",
    "GET /v1/attention": "no team's role may",
    "GET /v1/strays": "no team's role may",
    "GET /v1/models/{name}/resolve": "answered from memory, by the key's team",
}
"""Routes that read, and why they keep teams apart even with both locks off."""


@pytest.mark.parametrize("route", [one for one in {**FOREIGN, **OWN} if one.startswith("GET")])
def test_with_no_lock_the_other_team_is_reached(no_lock: Door, victim: Tenant, intruder: Tenant, route: str) -> None:
    """So each lock was really off in its turn, and the tests above would have seen a hole."""
    own = {f"own_{name}": value for name, value in intruder.names.items()}
    client, theirs = no_lock.client(intruder, Role.ADMIN), victim.marks()
    foreign = [client.get(one.path.format_map(victim.names | own)) for one in FOREIGN.get(route, [])]
    lists = [client.get(path.format_map(victim.names | own)) for path in OWN.get(route, [])]
    reached = any(answer.status_code == 200 for answer in foreign)
    shown = any(mark in answer.text for answer in lists for mark in theirs)
    assert (reached or shown) is (route not in WITHOUT_THESE_LOCKS)
