"""Teams and keys over HTTP: who may do what, and what each answer shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import CLI
from service.tenants import Role
from service.tenants.rules import assemble_key
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key

MakeTeam = Callable[..., Team]

NO_TEAM_OF_MINE = ["no-such-team", "team_01k8z0q3v6fq0r2m9t6c4x5y7z", "team_x", "TEAM", "%00", "a" * 300]


@pytest.fixture
def finance(platform: Platform) -> Client:
    return Client(platform.stack.api_url, a_key(None, Role.FINANCE)[1])


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_new_team_is_shown_where_its_location_says(operator: Client) -> None:
    asked = {
        "slug": f"t{clock.now():%H%M%S%f}", "name": "Leuchtturm", "cost_center": "CC-1", "product": "bot",
        "environment": "prod", "contact": "#keepers", "time_zone": "Europe/Berlin",
    }  # fmt: skip
    made = operator.post("/v1/teams", asked)
    assert made.status_code == 201
    team = made.json()
    assert asked.items() <= team.items()
    assert team["id"].startswith("team_")
    assert team["created_at"].endswith("Z")
    assert operator.get(made.headers["Location"]).json() == team
    assert operator.get(f"/v1/teams/{team['id']}").json() == team
    assert operator.get("/v1/teams?limit=1").json()["data"] == [team]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"slug": "Support Bot"}, "#/slug"),
        ({"name": " "}, "#/name"),
        ({"name": "a\x00b"}, "#/name"),
        ({"contact": "line\nbreak"}, "#/contact"),
        ({"team_id": "x"}, "#/team_id"),
    ],
)
def test_what_is_wrong_with_a_new_team_is_pointed_at(operator: Client, wrong: dict[str, str], pointer: str) -> None:
    answer = operator.post("/v1/teams", {"slug": "fine-slug", "name": "Fine"} | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_team_is_renamed_and_moved_and_what_is_absent_stays(operator: Client, team: Team) -> None:
    path = f"/v1/teams/{team.slug}"
    before = operator.patch(path, {"cost_center": "CC-1", "product": "bot"}).json()
    after = operator.patch(path, {"name": "Harbour", "cost_center": "CC-2", "product": None, "contact": "#quay"}).json()
    assert after == before | {"name": "Harbour", "cost_center": "CC-2", "product": None, "contact": "#quay"}
    assert operator.get(path).json() == after
    assert operator.patch(path, {"name": None, "archived": None}).json() == after
    with read_only(CLI) as session:
        told = session.execute(
            text(
                "SELECT before, after FROM audit_entries"
                " WHERE action = 'team.changed' AND object_id = :team ORDER BY id"
            ),
            {"team": after["id"]},
        ).all()
    assert len(told) == 2  # what changes nothing is not told
    assert told[1].after == {"name": "Harbour", "cost_center": "CC-2", "product": None, "contact": "#quay"}
    assert told[1].before == {"name": before["name"], "cost_center": "CC-1", "product": "bot", "contact": None}
    for never in ({"slug": "other"}, {"time_zone": "UTC"}, {"name": " "}, {"cost_center": "a\x00"}):
        assert operator.patch(path, never).status_code == 422
    assert team.admin.patch(path, {"name": "Mine"}).status_code == 403


def test_an_archived_team_reads_and_resolves_and_does_nothing_else(operator: Client, team: Team) -> None:
    path = f"/v1/teams/{team.slug}"
    archived = operator.patch(path, {"archived": True}).json()
    assert archived["archived_at"]
    assert operator.patch(path, {"archived": True}).json() == archived
    assert team.admin.get("/v1/jobs").status_code == 200
    assert team.admin.get(path).status_code == 403  # as before: that is for operators
    assert code(team.admin.post("/v1/jobs", {})) == (403, "team_archived")
    assert code(team.admin.post(f"{path}/keys", {"name": "k", "role": "viewer"})) == (403, "team_archived")
    assert code(team.admin.patch(path, {"name": "Mine"})) == (403, "scope_missing")
    assert "models:resolve" in team.admin.get("/v1/me").json()["scopes"]
    assert operator.get(path).json() == archived
    assert operator.patch(path, {"archived": False}).json()["archived_at"] is None
    assert team.admin.post("/v1/jobs", {}).status_code == 422


def test_an_unknown_connection_is_pointed_at(operator: Client) -> None:
    answer = operator.post("/v1/teams", {"slug": "fine-slug", "name": "Fine", "connection": "conn_x"})
    assert code(answer) == (404, "connection_not_found")
    assert answer.json()["errors"][0]["pointer"] == "#/connection"


def test_a_taken_slug_is_a_conflict_that_is_not_worth_repeating(operator: Client, team: Team) -> None:
    answer = operator.post("/v1/teams", {"slug": team.slug, "name": "Again"})
    assert code(answer) == (409, "slug_taken")
    assert answer.headers["x-should-retry"] == "false"


def test_lists_page_on_until_nothing_is_left(operator: Client, team: Team) -> None:
    made = {
        operator.post(f"/v1/teams/{team.slug}/keys", {"name": "k", "role": "viewer"}).json()["id"] for _ in range(5)
    }
    seen, after = [], ""
    while True:
        page = operator.get(f"/v1/teams/{team.slug}/keys?limit=2{after}").json()
        seen += [key["id"] for key in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert set(seen) == made
    assert seen == sorted(seen, reverse=True)


def test_a_key_is_whole_in_the_answer_that_made_it_and_never_again(team: Team) -> None:
    made = team.admin.post(f"/v1/teams/{team.slug}/keys", {"name": "chatbot", "role": "resolver"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    plaintext = made.json()["key"]
    listed = team.admin.get(f"/v1/teams/{team.slug}/keys")
    assert made.json()["id"] in listed.text
    assert plaintext not in listed.text
    assert plaintext.split("_")[3] not in listed.text


def test_a_key_says_who_it_is(team: Team) -> None:
    me = team.viewer.get("/v1/me").json()
    assert (me["role"], me["team"]) == ("viewer", {"id": team.id, "slug": team.slug, "name": team.slug.title()})
    assert "jobs:read" in me["scopes"]
    assert "jobs:write" not in me["scopes"]


def test_an_operator_belongs_to_no_team(operator: Client) -> None:
    me = operator.get("/v1/me").json()
    assert (me["role"], me["team"], me["expires_at"]) == ("operator", None, None)


def test_a_revoked_key_ends_at_once_and_revoking_again_answers_the_same(team: Team) -> None:
    made = team.admin.post(f"/v1/teams/{team.slug}/keys", {"name": "leaked", "role": "member"}).json()
    leaked = Client(team.base_url, made["key"])
    assert leaked.get("/v1/me").status_code == 200
    revoked = team.admin.delete(f"/v1/teams/{team.slug}/keys/{made['id']}")
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"]
    assert code(leaked.get("/v1/me")) == (401, "api_key_revoked")
    assert team.admin.delete(f"/v1/teams/{team.id}/keys/{made['id']}").json() == revoked.json()


def test_a_key_with_an_expiry_shows_it_and_one_in_the_past_is_refused(team: Team) -> None:
    keys, expiry = f"/v1/teams/{team.slug}/keys", clock.now() + timedelta(hours=1)
    body = {"name": "contractor", "role": "viewer", "expires_at": expiry.isoformat()}
    made = Client(team.base_url, team.admin.post(keys, body).json()["key"])
    assert made.get("/v1/me").json()["expires_at"] == expiry.isoformat().replace("+00:00", "Z")
    body["expires_at"] = (clock.now() - timedelta(hours=1)).isoformat()
    assert code(team.admin.post(keys, body)) == (422, "expiry_in_the_past")
    body["expires_at"] = "2099-01-01T00:00:00"  # of which time zone?
    assert code(team.admin.post(keys, body)) == (422, "invalid_request")


@pytest.mark.parametrize("far", ["9999-12-31T23:59:59.999999-12:00", "9999-12-31T00:00:00Z"])
def test_no_key_outlives_what_can_be_read_back(team: Team, far: str) -> None:
    """Postgres would keep it, but no reader could have it: neither its team's list nor the resolvers, whoever asks."""
    keys = f"/v1/teams/{team.slug}/keys"
    refused = team.admin.post(keys, {"name": "for ever", "role": "viewer", "expires_at": far})
    assert code(refused) == (422, "invalid_request")
    assert refused.json()["errors"][0]["pointer"] == "#/expires_at"
    assert team.admin.get(keys).status_code == 200
    latest = {"name": "long", "role": "viewer", "expires_at": "9999-12-30T00:00:00Z"}
    assert team.admin.post(keys, latest).status_code == 201
    assert team.admin.get(keys).status_code == 200


@pytest.mark.parametrize("role", ["operator", "finance", "root", ""])
def test_no_key_of_the_platform_is_made_over_http(team: Team, operator: Client, role: str) -> None:
    for client in (team.admin, operator):
        answer = client.post(f"/v1/teams/{team.slug}/keys", {"name": "x", "role": role})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "#/role"


def test_another_teams_keys_look_like_no_team_at_all(make_team: MakeTeam) -> None:
    mine, other = make_team(), make_team()
    key = other.operator.post(f"/v1/teams/{other.slug}/keys", {"name": "x", "role": "member"}).json()["id"]
    for name in (other.slug, other.id, *NO_TEAM_OF_MINE):
        keys = f"/v1/teams/{name}/keys"
        for answer in (
            mine.admin.get(keys),
            mine.admin.post(keys, {"name": "x", "role": "member"}),
            mine.admin.delete(f"{keys}/{key}"),
        ):
            assert code(answer) == (404, "team_not_found")
    assert code(mine.admin.delete(f"/v1/teams/{mine.slug}/keys/{key}")) == (404, "key_not_found")
    assert other.operator.get(f"/v1/teams/{other.slug}/keys").json()["data"][0]["revoked_at"] is None


MATRIX: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/teams"): {"operator"},
    ("GET", "/v1/teams"): {"operator", "finance"},
    ("GET", "/v1/teams/{team}"): {"operator", "finance"},
    ("POST", "/v1/teams/{team}/keys"): {"operator", "admin"},
    ("GET", "/v1/teams/{team}/keys"): {"operator", "admin"},
    ("DELETE", "/v1/teams/{team}/keys/{key}"): {"operator", "admin"},
    ("GET", "/v1/me"): {role.value for role in Role},
}


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_only_these_roles_may(method: str, path: str, team: Team, operator: Client, finance: Client) -> None:
    key = operator.post(f"/v1/teams/{team.slug}/keys", {"name": "x", "role": "viewer"}).json()["id"]
    clients = {"operator": operator, "finance": finance} | {
        role: getattr(team, role) for role in ("admin", "member", "viewer", "resolver")
    }
    for role, client in clients.items():
        answer = client.http.request(
            method, path.format(team=team.slug, key=key), json={} if method == "POST" else None
        )
        if role in MATRIX[method, path]:
            assert answer.status_code in (200, 422), (role, answer.text)
        else:
            assert code(answer) == (403, "scope_missing"), role


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer garbage",
        "Basic dGVzdA==",
        f"Bearer {assemble_key('test', 'a' * 10, 'b' * 43)}",
    ],
)
def test_without_a_proper_key_nobody_is_let_in(platform: Platform, header: str | None) -> None:
    client = Client(platform.stack.api_url, "")
    del client.http.headers["Authorization"]
    answer = client.get("/v1/me", headers={"Authorization": header} if header is not None else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_in_the_query_is_no_key(platform: Platform, team: Team) -> None:
    anonymous = Client(platform.stack.api_url, "")
    del anonymous.http.headers["Authorization"]
    key = team.member.key
    assert anonymous.get("/v1/me", params={"api_key": key, "access_token": key, "key": key}).status_code == 401


def test_a_write_over_http_is_audited_with_its_request(team: Team) -> None:
    made = team.admin.post(f"/v1/teams/{team.slug}/keys", {"name": "noted", "role": "viewer"})
    me = team.admin.get("/v1/me").json()
    with read_only(CLI) as session:
        query = text("SELECT actor, request_id, ip, team_id IS NOT NULL FROM audit_entries WHERE object_id = :key")
        entry = session.execute(query, {"key": made.json()["id"]}).one()
    assert tuple(entry) == (me["key"], made.headers["x-request-id"], "127.0.0.1", True)
