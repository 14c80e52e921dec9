"""A team's budget over HTTP."""

from collections.abc import Callable

import pytest

from tests.stack import Client, Team


def test_an_operator_sets_a_budget_and_the_team_sees_it(make_team: Callable[..., Team]) -> None:
    team = make_team(budget=None, time_zone="Asia/Tokyo")
    path = f"/v1/teams/{team.slug}/budget"
    before = team.viewer.get(path).json()
    assert (before["limit"], before["left"]) == (None, "0.00")
    put = team.operator.put(path, {"monthly_limit": "500.5"})
    assert put.status_code == 200
    seen = team.member.get(path)
    assert seen.json() == put.json()
    body = seen.json()
    assert body | {"month": "", "resets_at": ""} == {
        "object": "budget", "team": team.slug, "limit": "500.50", "spent": "0.00", "held": "0.00", "left": "500.50",
        "currency": "USD", "month": "", "resets_at": "", "from": "team", "base": "500.50", "carried": "0.00",
        "granted": "0.00", "rollover_max": "0.00", "thresholds": [50, 80, 100], "told": [],
    }  # fmt: skip
    assert body["resets_at"].endswith("T15:00:00Z")  # midnight in Tokyo


@pytest.mark.parametrize(
    "limit",
    [500, 12.5, "-1", "1e3", "", "0x10", " 5", "5 ", "NaN", "1.00000000001", "10000000000", "\u0665", "infinite"],
)
def test_a_limit_is_a_plain_decimal_string(team: Team, limit: object) -> None:
    answer = team.operator.put(f"/v1/teams/{team.slug}/budget", {"monthly_limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/monthly_limit"
    assert team.viewer.get(f"/v1/teams/{team.slug}/budget").json()["limit"] == "1000.00"


def test_an_unknown_field_is_refused(team: Team) -> None:
    answer = team.operator.put(f"/v1/teams/{team.slug}/budget", {"monthly_limit": "1", "currency": "EUR"})
    assert answer.status_code == 422


def test_no_team_sets_its_own_budget(team: Team) -> None:
    for client in (team.admin, team.member, team.viewer, team.resolver):
        answer = client.put(f"/v1/teams/{team.slug}/budget", {"monthly_limit": "1000000"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_another_teams_budget_is_not_found(make_team: Callable[..., Team], operator: Client) -> None:
    mine, other = make_team(), make_team()
    for ref in (other.slug, other.id, "no-such-team"):
        assert mine.admin.get(f"/v1/teams/{ref}/budget").status_code == 404
    assert operator.put("/v1/teams/no-such-team/budget", {"monthly_limit": "1"}).status_code == 404
