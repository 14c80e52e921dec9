"""Finance corrects the ledger over HTTP, once for each Idempotency-Key."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from service import tenants
from service.kit import ids
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.costs.factories import ledger, spend
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key

PATH = "/v1/costs/adjustments"


@pytest.fixture(scope="module")
def finance(platform: Platform) -> Client:
    _, key = a_key(None, tenants.Role.FINANCE)
    return Client(platform.stack.api_url, key)


def facts(team: Team) -> tenants.TeamFacts:
    with read_only(CLI) as session:
        return tenants.find_team(session, team.slug)


def on_team(team: Team, **other: Any) -> dict[str, Any]:
    return {"team": team.slug, "provider": "openai", "amount": "12.5", "reason": "support contract"} | other


def test_finance_charges_a_team_and_the_budget_follows(team: Team, finance: Client) -> None:
    answer = finance.post(PATH, on_team(team), headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["team"], body["amount"], body["corrects"]) == (team.slug, "12.50", None)
    assert team.budget()["spent"] == "12.50"


def test_finance_corrects_an_entry_once_for_each_key(team: Team, finance: Client) -> None:
    spend(facts(team), 1_000_000)
    (entry,) = ledger(facts(team))
    key = {"Idempotency-Key": uuid4().hex}
    body = {"corrects": ids.show("entry", entry["id"]), "amount": "-1", "reason": "credit note"}
    first, again = finance.post(PATH, body, headers=key), finance.post(PATH, body, headers=key)
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    assert len(ledger(facts(team))) == 2
    other = finance.post(PATH, body | {"amount": "-2"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(ledger(facts(team))) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "emulator"}, {"base_model": "gpt-4.1-2025-04-14"}, {"model": "ft:b"},
        {"charged_at": "2026-11-04T00:00:00Z"},
    ],
)  # fmt: skip
def test_a_key_that_was_used_is_refused_for_any_other_request(
    team: Team, finance: Client, other: dict[str, str]
) -> None:
    key, body = {"Idempotency-Key": uuid4().hex}, on_team(team, charged_at="2026-11-03T00:00:00Z")
    first, again = finance.post(PATH, body, headers=key), finance.post(PATH, body, headers=key)
    assert first.json()["id"] == again.json()["id"]
    refused = finance.post(PATH, body | other, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("name", ["model", "base_model"])
def test_an_empty_name_is_none(team: Team, finance: Client, name: str) -> None:
    refused = finance.post(PATH, on_team(team, **{name: ""}))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"#/{name}")


def test_what_is_nobodys_is_said_to_be(finance: Client) -> None:
    body = {"team": None, "provider": "openai", "amount": "3", "reason": "a key nobody knows"}
    made = finance.post(PATH, body)
    assert made.status_code == 201, made.text
    with read_only(CLI) as session:
        owner = session.execute(
            text("SELECT team_id FROM ledger_entries WHERE id = :id"), {"id": ids.read("entry", made.json()["id"])}
        ).scalar_one()
    assert owner is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": "0.00"}, 422, "invalid"),
        ({"amount": "1e3"}, 422, "invalid"),
        ({"amount": 3}, 422, "invalid"),
        ({"amount": "1.00000000001"}, 422, "invalid"),
        ({"reason": "  "}, 422, "invalid"),
        ({"provider": None}, 422, "invalid"),
        ({"corrects": "entry_01kagdwa5ye0h8m9c6j7t5a3xq"}, 422, "invalid"),
        ({"provider": "nobody"}, 422, "provider_unknown"),
        ({"team": "no-such-team"}, 404, "team_not_found"),
        ({"charged_at": "2099-01-01T00:00:00Z"}, 422, "charge_day_invalid"),
    ],
)
def test_bad_requests_book_nothing(team: Team, finance: Client, change: dict[str, Any], status: int, code: str) -> None:
    answer = finance.post(PATH, on_team(team) | change)
    assert answer.status_code == status, answer.text
    if code != "invalid":
        assert answer.json()["code"] == code
    assert ledger(facts(team)) == []


@pytest.mark.parametrize("entry", ["entry_01kagdwa5ye0h8m9c6j7t5a3xq", "job_01kagdwa5ye0h8m9c6j7t5a3xq", "nonsense"])
def test_an_entry_that_is_not_there_is_404(finance: Client, entry: str) -> None:
    answer = finance.post(PATH, {"corrects": entry, "amount": "1", "reason": "x"})
    assert answer.status_code == 404, answer.text


def test_no_team_adjusts_its_own_costs(make_team: Callable[..., Team]) -> None:
    team = make_team()
    answer = team.admin.post(PATH, on_team(team))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
