"""What operators do with provider accounts over HTTP, and that nobody else does."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from service import connections, tenants
from service.cli.local import PROVIDER_KEY, LocalStack
from service.connections import queries
from service.kit import circuit, clock, ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, WORKER
from service.kit.ids import show
from service.tenants import Role
from tests.connections.test_connections import administer, opened
from tests.stack import Client, Team
from tests.until import until

ACCOUNT = {"kind": "compatible", "provider": "emulator"}
KEY = "sk-canary-of-an-account"


def add(operator: Client, stack: LocalStack, **facts: Any) -> dict[str, Any]:
    """A new account at the emulator."""
    body = {"name": uuid4().hex, "base_url": f"{stack.emulator_url}/v1", "api_key": KEY, **ACCOUNT, **facts}
    made = operator.post("/v1/connections", body)
    assert made.status_code == 201, made.text
    view: dict[str, Any] = made.json()
    assert made.headers["location"] == f"/v1/connections/{view['id']}"
    return view


def read(operator: Client, connection: str) -> dict[str, Any]:
    view: dict[str, Any] = operator.get(f"/v1/connections/{connection}").json()
    return view


def actions(stack: LocalStack, connection: str) -> list[object]:
    entries = administer(stack, "SELECT action FROM audit_entries WHERE object_id = %s ORDER BY id", connection)
    return [action for (action,) in entries]


def test_an_account_is_added_read_changed_and_listed(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack, organisation="org-1", slots=3)
    path = f"/v1/connections/{made['id']}"
    assert operator.get(path).json() == made
    assert operator.get(f"/v1/connections/{made['name']}").json() == made
    assert (made["organisation"], made["slots"], made["circuits"], made["paused"]) == ("org-1", 3, [], None)
    name = uuid4().hex
    changed = operator.patch(path, {"name": name, "organisation": None, "requests_per_minute": 60})
    assert changed.status_code == 200, changed.text
    assert changed.json() == made | {"name": name, "organisation": None, "requests_per_minute": 60}
    listed = operator.get("/v1/connections?limit=100").json()
    assert changed.json() in listed["data"]
    assert listed["first_id"] > listed["last_id"]
    assert actions(stack, made["id"]) == ["connection.created", "connection.changed"]


def test_an_admin_key_is_set_and_taken_away_and_never_shown(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack)
    assert made["has_admin_key"] is False
    path = f"/v1/connections/{made['id']}/admin-key"
    key = "sk-admin-canary"
    answer = operator.put(path, {"admin_key": key})
    assert answer.status_code == 200, answer.text
    assert answer.json() == made | {"has_admin_key": True}
    with read_only(WORKER) as session:
        opened = connections.admin_credentials(session, ids.read("conn", made["id"]))
        assert made["id"] in {show("conn", one.id) for one in connections.metered(session)}
    assert opened is not None
    assert (opened.api_key, opened.project) == (key, None)
    assert operator.put(path, {"admin_key": None}).json() == made
    with read_only(WORKER) as session:
        assert connections.admin_credentials(session, ids.read("conn", made["id"])) is None
        assert made["id"] not in {show("conn", one.id) for one in connections.metered(session)}
    assert actions(stack, made["id"])[1:] == ["connection.admin_key_replaced", "connection.admin_key_removed"]
    azure = add(operator, stack, kind="azure")
    refused = operator.put(f"/v1/connections/{azure['id']}/admin-key", {"admin_key": key})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_costs_api")
    assert key not in refused.text


def test_what_cannot_be_an_account_is_refused(operator: Client, stack: LocalStack) -> None:
    made, other = add(operator, stack), add(operator, stack)
    path = f"/v1/connections/{made['id']}"
    body = {"name": "x", "base_url": "https://api.example.com/v1", "api_key": KEY}
    for status, code, answer in [
        (409, "connection_taken", operator.post("/v1/connections", body | {"name": other["name"]})),
        (409, "connection_taken", operator.patch(path, {"name": other["name"]})),
        (422, "bad_base_url", operator.post("/v1/connections", body | {"base_url": "https://u:p@host/v1"})),
        (422, "bad_base_url", operator.patch(path, {"base_url": "file:///etc/passwd"})),
        (422, "invalid_request", operator.post("/v1/connections", body | {"kind": "bedrock"})),
        (422, "invalid_request", operator.patch(path, {"requests_per_minute": 5})),
        (422, "invalid_request", operator.patch(path, {"api_key": "sk-another-way"})),
        (404, "connection_not_found", operator.get("/v1/connections/nobodys")),
        (404, "connection_not_found", operator.patch(f"/v1/connections/{show('conn', ids.new_id())}", {})),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert "sk-" not in answer.text
    assert operator.get(path).json() == made


def test_a_rotated_key_is_used_from_then_on_and_shown_nowhere(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack)
    account = ids.read("conn", made["id"])
    circuit.open(f"{account}:ask", "the old key was revoked", 300)
    (told,) = read(operator, made["id"])["circuits"]
    assert (told["use"], told["reason"]) == ("ask", "the old key was revoked")
    assert opened(account).api_key == KEY
    replaced = operator.post(f"/v1/connections/{made['id']}/key", {"api_key": "sk-canary-next"})
    assert replaced.status_code == 200
    assert opened(account).api_key == "sk-canary-next"
    assert replaced.json() == made  # its circuits included: what was noted was the old key's
    assert "canary" not in replaced.text + str(
        administer(stack, "SELECT audit_entries::text FROM audit_entries WHERE object_id = %s", made["id"])
    )


def test_a_webhook_secret_is_kept_sealed(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack)
    path = f"/v1/connections/{made['id']}/webhook-secret"
    told = operator.put(path, {"secret": "whsec_canary"})
    assert (told.status_code, told.json()["has_webhook_secret"]) == (200, True)
    assert "canary" not in told.text
    with unit_of_work(WORKER) as session:
        assert queries.webhook_secret(session, ids.read("conn", made["id"])) == "whsec_canary"
    assert operator.put(path, {"secret": None}).json()["has_webhook_secret"] is False


def test_slots_of_one_model_are_set_and_unset(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack)
    path = f"/v1/connections/{made['id']}/slots/gpt-4.1-mini"
    for slots in (2, 0, None):
        (told,) = operator.put(path, {"slots": slots}).json()["slots_by_model"]
        assert (told["model"], told["slots"], told["learned"]) == ("gpt-4.1-mini", slots, None)


def test_the_default_moves_and_can_only_move(operator: Client, stack: LocalStack) -> None:
    made = add(operator, stack)
    (before,) = [one for one in operator.get("/v1/connections?limit=100").json()["data"] if one["is_default"]]
    try:
        assert operator.patch(f"/v1/connections/{made['id']}", {"is_default": True}).json()["is_default"] is True
        assert read(operator, before["id"])["is_default"] is False
        kept = operator.post(f"/v1/connections/{made['id']}/archive")
        assert (kept.status_code, kept.json()["code"]) == (409, "default_connection_needed")
        assert operator.patch(f"/v1/connections/{made['id']}", {"is_default": False}).status_code == 422
    finally:
        operator.patch(f"/v1/connections/{before['id']}", {"is_default": True})
    assert read(operator, made["id"])["is_default"] is False


def test_an_account_is_archived_when_nobody_has_chosen_it(
    operator: Client, stack: LocalStack, make_team: Callable[..., Team]
) -> None:
    made = add(operator, stack)
    path, team = f"/v1/connections/{made['id']}", make_team(connection=made["id"])
    refused = operator.post(f"{path}/archive")
    assert (refused.status_code, refused.json()["code"]) == (409, "connection_in_use")
    assert "1 teams" in refused.json()["detail"]
    chosen = operator.patch(f"/v1/teams/{team.slug}", {"connection": None})
    assert (chosen.status_code, chosen.json()["connection"]) == (200, None)
    assert operator.post(f"{path}/archive").json()["archived_at"]
    assert operator.post(f"{path}/archive").status_code == 200
    for answer in (
        operator.patch(path, {"slots": 1}),
        operator.post(f"{path}/test"),
        operator.patch(f"/v1/teams/{team.slug}", {"connection": made["id"]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "connection_archived")


def test_a_team_is_given_an_account(operator: Client, stack: LocalStack, team: Team) -> None:
    made = add(operator, stack)
    path = f"/v1/teams/{team.slug}"
    assert operator.patch(path, {"connection": made["id"]}).json()["connection"] == made["id"]
    assert operator.get(path).json()["connection"] == made["id"]
    unknown = operator.patch(path, {"connection": show("conn", ids.new_id())})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (404, "#/connection")
    assert operator.patch(path, {}).json()["connection"] == made["id"]
    assert team.admin.patch(path, {"connection": None}).status_code == 403
    assert operator.get(path).json()["connection"] == made["id"]
    assert actions(stack, team.id)[-1] == "team.changed"


# ------------------------------------------------------------------------------------------------------------ tests
def trial(operator: Client, connection: str) -> dict[str, Any]:
    asked = operator.post(f"/v1/connections/{connection}/test")
    assert asked.status_code == 202, asked.text
    assert asked.json()["state"] == "waiting"

    def done() -> dict[str, Any] | None:
        view: dict[str, Any] = operator.get(f"{asked.headers['location']}?wait=20").json()
        return view if view["state"] != "waiting" else None

    return until(done, within=60)


@pytest.mark.usefixtures("workers")
def test_a_worker_tries_an_account_and_says_what_it_met(operator: Client, stack: LocalStack) -> None:
    well = trial(operator, add(operator, stack, api_key=PROVIDER_KEY)["id"])
    assert (well["state"], well["code"], well["message"]) == ("passed", None, None)
    assert well["models"] > 5
    assert well["milliseconds"] > 0
    assert well["finished_at"]
    for facts, code, words in [
        ({"api_key": KEY}, "account_refused", "Incorrect API key"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "unreachable", "Connection error"),
        ({"base_url": f"{stack.emulator_url}/elsewhere", "api_key": PROVIDER_KEY}, "not_an_api", ""),
    ]:
        done = trial(operator, add(operator, stack, **facts)["id"])
        assert (done["state"], done["code"], done["models"]) == ("failed", code, None)
        assert words in done["message"]
        assert KEY not in str(done)


def janitor_is_far() -> bool:
    """Whether it has been at all accounts and comes back in minutes: it too notes who refuses it."""
    far = text("SELECT due_at > now() + interval '2 minutes' FROM ticks WHERE name = 'jobs.janitor'")
    with read_only(CLI) as session:
        return bool(session.scalar(far))


@pytest.mark.usefixtures("workers")
def test_a_paused_account_is_tested_and_a_failed_test_pauses_nothing(operator: Client, stack: LocalStack) -> None:
    until(janitor_is_far, within=30)
    made = add(operator, stack)
    operator.post(f"/v1/connections/{made['id']}/pause", {"reason": "a new key"})
    circuit.open(f"{ids.read('conn', made['id'])}:ask", "down", 300)
    assert trial(operator, made["id"])["code"] == "account_refused"
    operator.post(f"/v1/connections/{made['id']}/resume")
    for _ in range(5):
        trial(operator, made["id"])
    assert read(operator, made["id"])["circuits"] == []


def test_a_test_is_its_accounts_own(operator: Client, stack: LocalStack) -> None:
    made, other = add(operator, stack), add(operator, stack)
    test = operator.post(f"/v1/connections/{made['id']}/test").json()["id"]
    assert operator.get(f"/v1/connections/{made['name']}/tests/{test}").status_code == 200
    for path in (f"{other['id']}/tests/{test}", f"{made['id']}/tests/{made['id']}?wait=5", f"{made['id']}/tests/x"):
        answer = operator.get(f"/v1/connections/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "connection_test_not_found")


# ------------------------------------------------------------------------------------------------------------- rights
def test_accounts_are_for_operators_only(operator: Client, stack: LocalStack, team: Team) -> None:
    made = add(operator, stack)
    with unit_of_work(CLI) as session:
        _, key = tenants.create_key(session, CLI, team_id=None, role=Role.FINANCE, name="f", at=clock.now())
    path = f"/v1/connections/{made['id']}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/v1/connections", None),
        ("POST", "/v1/connections", {"name": "x", "base_url": "https://h/v1", "api_key": "k"}),
        ("GET", path, None),
        ("PATCH", path, {"slots": 1}),
        ("POST", f"{path}/key", {"api_key": "k"}),
        ("PUT", f"{path}/webhook-secret", {"secret": "k"}),
        ("PUT", f"{path}/slots/m", {"slots": 1}),
        ("POST", f"{path}/pause", {"reason": "x"}),
        ("POST", f"{path}/resume", None),
        ("POST", f"{path}/archive", None),
        ("POST", f"{path}/test", None),
        ("GET", f"{path}/tests/{show('ctest', ids.new_id())}?wait=20", None),
    ]
    for client in (team.admin, team.member, team.viewer, team.resolver, Client(operator.base_url, key)):
        for method, url, body in asked:
            answer: httpx2.Response = client.http.request(method, url, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), f"{method} {url}"
    assert operator.get(path).json() == made
