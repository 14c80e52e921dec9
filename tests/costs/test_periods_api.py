"""Finance closes a month, opens it again and verifies it over HTTP."""

from datetime import UTC, datetime

import pytest

from service import tenants
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.costs.factories import spend
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key

PATH = "/v1/billing-periods"
MARCH = datetime(2024, 3, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def finance(own: Platform) -> Client:
    _, key = a_key(None, tenants.Role.FINANCE)
    return Client(own.stack.api_url, key)


@pytest.fixture(scope="module")
def spender(own: Platform) -> Team:
    team = own.team()
    with read_only(CLI) as session:
        spend(tenants.find_team(session, team.slug), 1_000_000, at=MARCH)
    return team


def test_a_month_is_closed_verified_and_opened_again(finance: Client, spender: Team) -> None:
    before = finance.get(f"{PATH}/2024-03").json()
    assert (before["state"], before["entries"], before["total"], before["seal"]) == ("open", 1, "3.00", None)
    closed = finance.post(f"{PATH}/2024-03/close")
    assert closed.status_code == 200, closed.text
    body = closed.json()
    assert (body["state"], body["revision"], body["entries"], body["total"]) == ("closed", 1, 1, "3.00")
    assert finance.post(f"{PATH}/2024-03/close").json() == body
    verdict = finance.get(f"{PATH}/2024-03/verify").json()
    assert (verdict["intact"], verdict["head"], verdict["difference"]) == (True, body["seal"]["head"], None)

    seen = spender.viewer.get(f"{PATH}/2024-03").json()
    assert (seen["state"], seen["total"], seen["entries"], seen["seal"]) == ("closed", None, None, None)

    opened = finance.post(f"{PATH}/2024-03/reopen", {"reason": "a credit note"})
    assert opened.status_code == 200, opened.text
    assert (opened.json()["state"], opened.json()["reopened_because"]) == ("open", "a credit note")
    assert finance.get(f"{PATH}/2024-03/verify").json()["code"] == "period_open"
    assert finance.post(f"{PATH}/2024-03/reopen", {"reason": "another"}).status_code == 409


def test_months_are_paged_by_their_names(finance: Client, spender: Team) -> None:
    page = finance.get(f"{PATH}?limit=3").json()
    assert len(page["data"]) == 3
    assert page["has_more"]
    following = finance.get(f"{PATH}?limit=1&after={page['last_id']}").json()
    assert following["data"][0]["month"] < page["last_id"]
    assert finance.get(f"{PATH}?limit=100&after=2024-04").json()["data"][-1]["month"] == "2024-03"
    assert spender.viewer.get(f"{PATH}?limit=1").status_code == 200


@pytest.mark.parametrize("month", ["2024-13", "2024", "x", "2024-3", "%00", "1999-01"])
def test_what_is_no_month_is_refused(finance: Client, month: str) -> None:
    assert finance.get(f"{PATH}/{month}").status_code == 422
    assert finance.post(f"{PATH}/{month}/close").status_code == 422
    assert finance.get(f"{PATH}?after={month}").status_code == 404


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": 1}])
def test_a_reason_is_needed_to_open_a_month(finance: Client, body: object) -> None:
    assert finance.post(f"{PATH}/2024-03/reopen", body).status_code == 422


def test_a_month_that_is_not_over_is_a_conflict(finance: Client) -> None:
    answer = finance.post(f"{PATH}/2099-12/close")
    assert (answer.status_code, answer.json()["code"]) == (409, "period_not_over")


def test_teams_see_periods_but_neither_close_nor_verify_them(spender: Team) -> None:
    for method, path in (("POST", "close"), ("POST", "reopen"), ("GET", "verify")):
        answer = spender.admin.http.request(method, f"{PATH}/2024-03/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
