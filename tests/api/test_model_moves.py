"""Aliases over HTTP: conditions, roll back, protection, history and whose they are."""

import pytest

from service import tenants
from service.kit.db import read_only
from service.kit.identity import CLI
from service.tenants import Role
from tests.registry.factories import a_version
from tests.stack import Team

ALIAS = "/v1/models/support-bot/aliases/production"


@pytest.fixture
def served(team: Team) -> Team:
    """A team whose alias production means the second of two versions."""
    with read_only(CLI) as session:
        facts = tenants.find_team(session, team.slug)
    for number in (1, 2):
        a_version(facts, model=f"ft:{number}")
        assert team.member.put(ALIAS, {"version": number}).status_code == 200
    return team


def test_a_move_may_be_conditional_on_what_was_seen(served: Team) -> None:
    seen = served.viewer.get(ALIAS)
    assert (seen.headers["etag"], seen.json()["version"]) == ('"2"', 2)
    moved = served.member.put(ALIAS, {"version": 1}, headers={"If-Match": seen.headers["etag"]})
    assert (moved.status_code, moved.headers["etag"]) == (200, '"3"')
    for stale in (seen.headers["etag"], "nonsense", 'W/"3"'):
        late = served.member.put(ALIAS, {"version": 2}, headers={"If-Match": stale})
        assert (late.status_code, late.json()["code"]) == (412, "alias_moved")


def test_rolling_back_is_one_call_and_repeated_with_its_key_does_nothing_more(served: Team) -> None:
    for replayed in (None, "true"):
        back = served.member.post(f"{ALIAS}/rollback", {"reason": "worse"}, headers={"Idempotency-Key": "monday"})
        assert (back.status_code, back.json()["version"], back.json()["revision"]) == (200, 1, 3)
        assert back.headers.get("idempotent-replayed") == replayed
    history = served.viewer.get(f"{ALIAS}/history").json()["data"]
    assert [(one["revision"], one["action"], one["reason"]) for one in history] == [
        (3, "rollback", "worse"), (2, "promote", None), (1, "promote", None),
    ]  # fmt: skip
    then = served.viewer.get(f"{ALIAS}/history", params={"at": history[1]["at"]}).json()["data"]
    assert [one["targets"] for one in then] == [[{"version": 2, "weight": 10_000, "model": "ft:2"}]]


def test_a_canary_and_its_stop(served: Team) -> None:
    targets = [{"version": 2, "weight": 9_000}, {"version": 1, "weight": 1_000}]
    assert served.member.put(ALIAS, {"targets": targets, "evidence": {"ticket": "OPS-7"}}).json()["version"] == 2
    stopped = served.member.post(f"{ALIAS}/stop", {"reason": "enough"})
    assert [one["weight"] for one in stopped.json()["targets"]] == [10_000]
    canary = served.viewer.get(f"{ALIAS}/history").json()["data"][1]
    assert (canary["action"], canary["evidence"]) == ("canary", {"ticket": "OPS-7"})
    wrong = served.member.put(ALIAS, {"targets": targets[:1]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_shares")


def test_a_protected_alias_is_moved_by_admins_and_by_operators_who_name_the_team(served: Team) -> None:
    asked = {"role": "admin", "reason": "it is live"}
    assert served.member.put(f"{ALIAS}/protection", asked).json()["code"] == "alias_protected"
    assert served.client(Role.ADMIN).put(f"{ALIAS}/protection", asked).json()["protected_role"] == "admin"
    assert served.member.put(ALIAS, {"version": 1, "reason": "no"}).status_code == 403
    assert served.client(Role.ADMIN).put(ALIAS, {"version": 1}).json()["code"] == "reason_required"
    assert served.operator.put(ALIAS, {"version": 1, "reason": "x"}).json()["code"] == "team_not_named"
    assert served.operator.put(f"{ALIAS}?team={served.slug}", {"version": 1, "reason": "x"}).json()["version"] == 1


def test_a_removed_alias_is_gone_and_its_history_is_not(served: Team) -> None:
    assert served.member.delete(f"{ALIAS}?reason=unused").status_code == 204
    assert served.viewer.get(ALIAS).status_code == 404
    assert served.viewer.get(f"{ALIAS}/history").json()["data"][0]["targets"] == []


def test_a_model_is_shared_with_teams_that_exist_and_listed_with_the_fields_it_has(served: Team) -> None:
    wanted = {"visibility": "shared", "shared_with": [served.slug], "notes": "ask first"}
    changed = served.member.patch("/v1/models/support-bot", wanted)
    assert (changed.status_code, changed.json()["shared_with"]) == (200, [served.slug])
    assert served.viewer.get("/v1/models?name=support&state=ready").json()["data"] == [changed.json()]
    assert served.viewer.get("/v1/models?retiring_within=90d").json()["data"] == []
    assert served.viewer.get("/v1/models?retiring_within=soon").status_code == 422
    unknown = served.member.patch("/v1/models/support-bot", {"shared_with": [served.slug, "nobody-at-all"]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "shared_with_unknown_team")
    assert unknown.json()["errors"][0]["pointer"] == "#/shared_with/1"


def test_a_version_is_annotated_and_retired_once_nothing_serves_it(served: Team) -> None:
    version = "/v1/models/support-bot/versions/1"
    assert served.member.patch(version, {"notes": "the first"}).json()["notes"] == "the first"
    assert served.member.put(f"{version}/retirement", {"reason": "old"}).json()["state"] == "retired"
    assert served.viewer.get(version).json()["retired_at"] is not None
    refused = served.member.put("/v1/models/support-bot/versions/2/retirement", {"reason": "old"})
    assert (refused.status_code, refused.json()["code"]) == (409, "version_served")
