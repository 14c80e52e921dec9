"""GET /v1/quota: each limit, what is spent, held and left of it, and when it counts afresh."""

from collections.abc import Callable
from typing import Any

import pytest

from service.tenants import Role
from tests.stack import Client, Team
from tests.tenants.factories import a_key

pytestmark = pytest.mark.usefixtures("workers")


def lines(answer: Any) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200
    return {line.pop("name"): line for line in answer.json()["data"]}


def test_a_team_sees_what_it_may_use_and_what_is_left(make_team: Callable[..., Team], operator: Client) -> None:
    team = make_team(budget="100", time_zone="Asia/Tokyo")
    words = {"training_tokens_per_month": 1_000_000, "jobs_per_day": 5, "requests_per_minute": 900}
    assert operator.put(f"/v1/teams/{team.slug}/limits", words).status_code == 200
    team.submit(team.ready("quota"))
    seen = lines(team.viewer.get("/v1/quota"))
    money, tokens, jobs = seen["monthly_budget"], seen["training_tokens_per_month"], seen["jobs_per_day"]
    budget = team.viewer.get(f"/v1/teams/{team.slug}/budget").json()
    assert money == {
        "unit": "USD", "from": "team", "limit": "100.00", "spent": "0.00", "held": budget["held"],
        "left": budget["left"], "resets_at": budget["resets_at"],
    }  # fmt: skip
    assert tokens["held"] > 0
    assert (tokens["limit"], tokens["spent"], tokens["left"]) == (1_000_000, 0, 1_000_000 - tokens["held"])
    assert tokens["resets_at"] == money["resets_at"]
    assert (jobs["limit"], jobs["spent"], jobs["left"], jobs["from"]) == (5, 1, 4, "team")
    assert jobs["resets_at"].endswith("T15:00:00Z")  # midnight in Tokyo
    assert (seen["concurrent_jobs"]["limit"], seen["concurrent_jobs"]["left"]) == ("unlimited", "unlimited")
    assert (seen["allowed_models"]["limit"], seen["requests_per_minute"]["limit"]) == ("unlimited", 900)


def test_whoever_has_no_team_says_which(team: Team, make_team: Callable[..., Team]) -> None:
    finance = Client(team.base_url, a_key(None, Role.FINANCE)[1])
    seen = lines(team.viewer.get("/v1/quota"))
    for whoever in (team.operator, finance):
        assert whoever.get("/v1/quota").json()["code"] == "team_not_named"
        assert (
            lines(whoever.get(f"/v1/quota?team={team.slug}")) == lines(whoever.get(f"/v1/quota?team={team.id}")) == seen
        )
    assert make_team().viewer.get(f"/v1/quota?team={team.slug}").status_code == 404


def test_tokens_beyond_the_months_limit_are_refused_and_zero_denies(team: Team) -> None:
    dataset = team.ready("tokens")
    path = f"/v1/teams/{team.slug}/limits"
    team.operator.put(path, {"training_tokens_per_month": 10})
    refused = team.submit(dataset)
    assert (refused.status_code, refused.json()["code"]) == (403, "training_tokens_reached")
    assert refused.json()["facts"]["limit"] == "training_tokens_per_month"
    team.operator.put(path, {"training_tokens_per_month": 0})
    assert team.submit(dataset).json()["code"] == "jobs_denied"
    assert lines(team.viewer.get("/v1/quota"))["training_tokens_per_month"]["held"] == 0
