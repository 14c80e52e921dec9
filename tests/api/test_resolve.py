"""Resolving through a running API: what it says, and how soon it says something else."""

import time

import pytest

from service import tenants
from service.kit.db import read_only
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.registry.factories import a_version
from tests.stack import Client, Platform, Team
from tests.until import until

PATH = "/v1/models/support-bot/resolve"


def facts(team: Team) -> TeamFacts:
    with read_only(CLI) as session:
        return tenants.find_team(session, team.slug)


def promote(team: Team, version: int) -> None:
    put = team.member.put("/v1/models/support-bot/aliases/production", {"version": version, "reason": "better"})
    assert put.status_code == 200, put.text


def resolved(client: Client) -> str:
    return client.get(PATH, headers={"accept": "text/plain"}).text


@pytest.fixture
def served(team: Team) -> Team:
    """A team whose alias production means the first of two versions."""
    a_version(facts(team), model="ft:one")
    a_version(facts(team), model="ft:two")
    promote(team, 1)
    until(lambda: team.resolver.get(PATH).status_code == 200)
    return team


def test_a_promoted_version_resolves(served: Team) -> None:
    answered = served.resolver.get(PATH)
    body = answered.json()
    assert (body["model"], body["version"], body["previous_model"]) == ("ft:one", 1, None)
    assert answered.headers["cache-control"] == "private, max-age=30, stale-while-revalidate=60, stale-if-error=86400"
    assert answered.headers["vary"] == "Authorization, Accept"
    assert answered.headers["x-request-id"].startswith("req_")
    assert "age" not in answered.headers


def test_what_has_not_changed_is_not_sent_again(served: Team) -> None:
    etag = served.resolver.get(PATH).headers["etag"]
    again = served.resolver.get(PATH, headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    promote(served, 2)
    until(lambda: served.resolver.get(PATH, headers={"if-none-match": etag}).status_code == 200)


def test_head_says_the_same_without_the_body(served: Team) -> None:
    get, head = served.resolver.get(PATH), served.resolver.http.head(PATH)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "last-modified", "cache-control"):
        assert head.headers[name] == get.headers[name]


def test_a_move_is_seen_within_a_second(served: Team) -> None:
    for version, model in ((2, "ft:two"), (1, "ft:one"), (2, "ft:two")):
        started = time.monotonic()
        promote(served, version)
        until(lambda model=model: resolved(served.resolver) == model, within=5)  # type: ignore[misc]
        assert time.monotonic() - started < 1


def test_a_new_key_resolves_within_a_second_and_a_revoked_one_no_longer(served: Team) -> None:
    made = served.admin.post(f"/v1/teams/{served.slug}/keys", {"name": "bot", "role": "resolver"}).json()
    client = Client(served.base_url, made["key"])
    until(lambda: client.get(PATH).status_code == 200, within=1)
    served.admin.delete(f"/v1/teams/{served.slug}/keys/{made['id']}")
    until(lambda: client.get(PATH).status_code == 401, within=1)


def test_one_team_never_resolves_another_s_model(served: Team, platform: Platform) -> None:
    stranger = platform.team()
    until(lambda: stranger.resolver.get(PATH).status_code != 401, within=1)
    assert stranger.resolver.get(PATH).json()["code"] == "alias_not_found"


def test_every_role_of_a_team_resolves_and_others_do_not(served: Team, platform: Platform) -> None:
    for role in ("admin", "member", "viewer", "resolver"):
        client = served.client(role)
        until(lambda client=client: client.get(PATH).status_code == 200, within=1)  # type: ignore[misc]
    assert platform.operator.get(PATH).json()["code"] == "team_key_required"


def test_the_documented_route_answers_the_same(served: Team) -> None:
    """Where something stands before the fast path, a mount for example, FastAPI's own route serves."""
    from fastapi.testclient import TestClient

    from service.api.app import create_api

    with TestClient(create_api()) as client:
        client.headers["authorization"] = served.resolver.http.headers["authorization"]
        until(lambda: client.get(PATH).status_code == 200)
        assert client.get(PATH).content == served.resolver.get(PATH).content
        assert client.get(PATH).headers["etag"] == served.resolver.get(PATH).headers["etag"]
        head = client.head(PATH)
        assert (head.status_code, head.content) == (200, b"")


def test_rolling_back_is_promoting_what_was_before(served: Team) -> None:
    promote(served, 2)
    shown = served.viewer.get("/v1/models/support-bot").json()["aliases"][0]
    assert (shown["version"], shown["previous_version"], shown["reason"]) == (2, 1, "better")
    promote(served, shown["previous_version"])
    until(lambda: resolved(served.resolver) == "ft:one", within=1)


def test_a_version_that_is_loading_is_refused_for_good_reason(served: Team) -> None:
    a_version(facts(served), ready=False)
    refused = served.member.put("/v1/models/support-bot/aliases/production", {"version": 3})
    assert (refused.status_code, refused.json()["code"]) == (409, "version_not_ready")
    assert refused.json()["errors"][0]["pointer"] == "#/version"
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"version": "1.5"}, {"version": 1, "team_id": "x"}])
def test_a_promotion_that_makes_no_sense_is_refused(served: Team, body: dict[str, object]) -> None:
    assert served.member.put("/v1/models/support-bot/aliases/production", body).status_code == 422


def test_an_alias_must_have_a_proper_name(served: Team) -> None:
    refused = served.member.put("/v1/models/support-bot/aliases/Prod!", {"version": 1})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "alias")


def test_models_are_paged(served: Team) -> None:
    for name in ("b", "c"):
        a_version(facts(served), name)
    first = served.viewer.get("/v1/models?limit=2").json()
    rest = served.viewer.get(f"/v1/models?limit=2&after={first['last_id']}").json()
    assert [model["name"] for model in first["data"] + rest["data"]] == ["c", "b", "support-bot"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
