"""Usage and its owners over HTTP: who may see and say what."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from service import costs, tenants
from service.costs.flows import read_usage
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import show
from tests.costs.metered import Organisation, an_organisation
from tests.emulator.world import Emulator
from tests.quotas.factories import MODEL
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key, acting_for

DAY = date(2026, 10, 10)
AT = datetime(2026, 10, 12, 9, tzinfo=UTC)
USAGE = "/v1/costs/usage?period=2026-10"


@pytest.fixture(scope="module")
def running_emulator(database: object) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def organisation(running_emulator: Emulator) -> Iterator[Organisation]:
    with an_organisation(running_emulator) as organisation:
        yield organisation


@pytest.fixture
def finance(platform: Platform) -> Client:
    return Client(platform.stack.api_url, a_key(None, tenants.Role.FINANCE)[1])


def owned_by(team: Team) -> str:
    model = f"ft:{MODEL}:acme::{uuid4().hex[:8]}"
    with read_only(CLI) as session:
        facts = tenants.find_team(session, team.slug)
    with unit_of_work(acting_for(facts)) as session:
        costs.own_model(session, facts.id, model, connection_id=None, base_model=MODEL)
    return model


def test_a_team_sees_its_own_usage_and_finance_all(
    operator: Client, finance: Client, make_team: Callable[..., Team], organisation: Organisation
) -> None:
    team, other = make_team(), make_team()
    mine, theirs, nobodys = owned_by(team), owned_by(other), f"ft:{MODEL}:acme::{uuid4().hex[:8]}"
    for model in (mine, theirs, nobodys):
        organisation.use(model, DAY, input_tokens=1_000_000, requests=3)
    read_usage(AT)
    (line,) = team.viewer.get(USAGE).json()["data"]
    assert line == {
        "object": "usage", "id": line["id"], "day": "2026-10-10", "connection": show("conn", organisation.connection),
        "provider": "openai", "project": organisation.project, "api_key": "key_a", "model": mine, "base_model": MODEL,
        "version": None, "tier": "standard", "meter": "input_tokens", "quantity": 1_000_000, "booked": 1_000_000,
        "amount": "0.30", "requests": 3, "team": team.slug, "owner": "model", "state": "booked",
        "read_at": "2026-10-12T09:00:00Z",
    }  # fmt: skip
    here = f"{USAGE}&connection={show('conn', organisation.connection)}"
    for reader in (operator, finance):
        assert {one["model"] for one in reader.get(here).json()["data"]} == {mine, theirs, nobodys}
        (unallocated,) = reader.get(f"{here}&unallocated=true").json()["data"]
        assert (unallocated["model"], unallocated["team"], unallocated["owner"]) == (nobodys, None, "nobody")
        assert [one["model"] for one in reader.get(f"{here}&team={other.slug}").json()["data"]] == [theirs]
        first = reader.get(f"{here}&limit=2").json()
        assert first["has_more"]
        rest = reader.get(f"{here}&limit=2&after={first['last_id']}").json()
        assert len(first["data"] + rest["data"]) == 3
        told = {(one["name"], one["what"]): one["unavailable"] for one in reader.get(here).json()["accounts"]}
        assert told["default", "usage"] == told["default", "costs"] == "no_admin_key"
    assert team.viewer.get(USAGE).json()["accounts"] == []
    assert team.viewer.get(f"{USAGE}&team={other.slug}").status_code == 404
    assert finance.get(f"{here}&state=unpriced").json()["data"] == []
    assert finance.get("/v1/costs/usage?period=2026-9").json()["code"] == "bad_period"
    assert finance.get("/v1/costs/usage?connection=nobodys").status_code == 404


def test_finance_says_whose_a_key_is(
    finance: Client, make_team: Callable[..., Team], organisation: Organisation
) -> None:
    team = make_team()
    path = f"/v1/connections/{show('conn', organisation.connection)}/usage-owners/api_key/key_a"
    made = finance.put(path, {"team": team.slug})
    assert made.status_code == 200, made.text
    assert made.json() | {"id": "", "changed_at": "", "changed_by": ""} == {
        "object": "usage_owner", "id": "", "connection": show("conn", organisation.connection), "kind": "api_key",
        "external_id": "key_a", "team": team.slug, "changed_by": "", "changed_at": "",
    }  # fmt: skip
    again = finance.put(path, {"team": make_team().slug}).json()
    assert again["id"] == made.json()["id"]
    assert again in finance.get("/v1/usage-owners?limit=100").json()["data"]
    for status, code, answer in [
        (404, "team_not_found", finance.put(path, {"team": "nobodys"})),
        (404, "connection_not_found", finance.put("/v1/connections/no/usage-owners/project/p", {"team": team.slug})),
        (422, "invalid_request", finance.put(path.replace("api_key", "person"), {"team": team.slug})),
        (403, "scope_missing", team.admin.put(path, {"team": team.slug})),
        (404, "usage_owner_not_found", finance.delete(path + "b")),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert finance.delete(path).status_code == 204
    assert finance.delete(path).status_code == 404
