"""Limits beside money: whose word holds, what it denies, and how many jobs a day it lets through."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from sqlalchemy import text

from service import quotas
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, WORKER
from service.quotas import LimitsSet
from service.quotas.rules import in_force, limits
from service.tenants import TeamFacts
from tests.quotas.factories import AT
from tests.stack import Client, Team, conversations
from tests.tenants.factories import a_team, acting_for

SNAPSHOT: Final = "gpt-4o-mini-2024-07-18"
OTHER: Final = "gpt-4.1-mini-2025-04-14"


# ------------------------------------------------------------------------------------------------- whose word holds
def test_a_limit_is_the_teams_else_the_platforms_else_the_default() -> None:
    words = in_force({"jobs_per_day": 3}, {"jobs_per_day": 7, "weight": "2"})
    assert words == {
        "allowed_models": ("unlimited", "default"), "allowed_methods": ("unlimited", "default"),
        "concurrent_jobs": ("unlimited", "default"), "jobs_per_day": (3, "team"), "weight": ("2", "platform"),
        "approval_above": ("unlimited", "default"), "storage_bytes": ("unlimited", "default"),
        "retention_days": ("unlimited", "default"),
        "training_tokens_per_month": ("unlimited", "default"),
        "requests_per_minute": ("unlimited", "default"),
        "requests_per_minute_per_key": (6000, "default"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("team", "platform", "meant"),
    [
        ({}, {}, None),
        ({}, {"jobs_per_day": 7}, 7),
        ({"jobs_per_day": 0}, {"jobs_per_day": 7}, 0),
        ({"jobs_per_day": "unlimited"}, {"jobs_per_day": 7}, None),
        ({"jobs_per_day": 9}, {"jobs_per_day": 0}, 9),
    ],
)
def test_absent_inherits_zero_denies_and_a_word_lifts(
    team: dict[str, Any], platform: dict[str, Any], meant: int | None
) -> None:
    assert limits(team, platform).jobs_per_day == meant


def test_an_empty_list_is_no_absent_one() -> None:
    assert limits({"allowed_models": []}, {"allowed_models": [SNAPSHOT]}).allowed_models == frozenset()


@pytest.mark.parametrize(
    ("above", "price", "asks"),
    [("unlimited", "1000000", False), ("10", "10", False), ("10", "10.0000000001", True), ("0", "0.01", True)],
)
def test_approval_is_asked_for_above_the_threshold(above: str, price: str, asks: bool) -> None:
    assert limits({"approval_above": above}, {}).asks_approval(Decimal(price)) is asks


# ------------------------------------------------------------------------------------------------------- what it denies
def set_limits(team: TeamFacts, **given: Any) -> None:
    with unit_of_work(CLI) as session:
        quotas.set_team_limits(session, CLI, team, LimitsSet(**given))


def refusal(team: TeamFacts, *, model: str = SNAPSHOT, method: str = "supervised") -> quotas.NotAllowed | None:
    try:
        with read_only(acting_for(team)) as session:
            quotas.check_job(session, team, model=model, method=method)
    except quotas.NotAllowed as refused:
        return refused
    return None


@pytest.mark.usefixtures("database")
def test_only_the_models_named_may_be_trained() -> None:
    team = a_team()
    assert refusal(team) is None
    set_limits(team, allowed_models=["gpt-4o-mini"])  # the alias of a snapshot
    assert refusal(team) is None
    refused = refusal(team, model=OTHER)
    assert isinstance(refused, quotas.ModelNotAllowed)
    assert refused.facts == {
        "limit": "allowed_models", "value": [SNAPSHOT], "allowed": SNAPSHOT, "used": None, "resets_at": None,
        "asked": OTHER, "team": team.slug,
    }  # fmt: skip
    assert refused.message == (
        f"Team {team.slug} may not train {OTHER}: its limit allowed_models names {SNAPSHOT}. "
        f"An operator can allow it, with PUT /v1/teams/{team.slug}/limits."
    )
    set_limits(team, allowed_models=[])
    assert "names none" in str(refusal(team))


@pytest.mark.usefixtures("database")
def test_only_the_methods_named_may_be_used() -> None:
    team = a_team()
    set_limits(team, allowed_methods=["dpo"])
    assert refusal(team, method="dpo") is None
    assert isinstance(refusal(team, method="supervised"), quotas.TrainingMethodNotAllowed)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("limit", ["concurrent_jobs", "jobs_per_day"])
def test_zero_jobs_are_none(limit: str) -> None:
    team = a_team()
    set_limits(team, **{limit: 0})
    refused = refusal(team)
    assert isinstance(refused, quotas.JobsDenied)
    assert (refused.facts["limit"], refused.facts["value"]) == (limit, 0)


# -------------------------------------------------------------------------------------------------- how many jobs a day
def count(team: TeamFacts, at: datetime = AT) -> None:
    with unit_of_work(acting_for(team)) as session:
        quotas.count_job(session, team, at)


@pytest.mark.usefixtures("database")
def test_a_day_is_the_teams_own_and_a_refusal_says_when_it_ends() -> None:
    team = a_team(time_zone="Asia/Tokyo")
    set_limits(team, jobs_per_day=2)
    late = datetime(2026, 11, 20, 14, 59, tzinfo=UTC)  # one minute to midnight there
    count(team, late)
    count(team, late)
    with pytest.raises(quotas.JobsPerDayReached) as refused:
        count(team, late)
    assert refused.value.facts == {
        "limit": "jobs_per_day", "value": 2, "used": 2, "resets_at": "2026-11-20T15:00:00Z", "team": team.slug,
    }  # fmt: skip
    count(team, late + timedelta(minutes=1))


@pytest.mark.usefixtures("database")
def test_what_is_rolled_back_is_not_counted_and_an_unlimited_day_is() -> None:
    team = a_team()
    count(team)
    with unit_of_work(acting_for(team)) as session:
        quotas.count_job(session, team, AT)
        session.rollback()
    with read_only(acting_for(team)) as session:
        assert quotas.show_limits(session, team, AT, running=0, stored=0).jobs_per_day.used == 1


@pytest.mark.usefixtures("database")
def test_the_scheduler_sees_every_teams_share() -> None:
    small, other = a_team(), a_team()
    set_limits(small, weight="0.5", concurrent_jobs=3)
    with read_only(WORKER) as session:
        share = quotas.shares(session)
    assert share(small.id) == quotas.Share(Decimal("0.5"), 3)
    assert share(other.id) == quotas.Share(Decimal(1), None)


def test_fifty_clients_on_a_limit_of_twenty_jobs_a_day_get_exactly_twenty(make_team: Callable[..., Team]) -> None:
    team = make_team(time_zone="Pacific/Kiritimati")
    path = f"/v1/teams/{team.slug}/limits"
    assert team.operator.put(path, {"jobs_per_day": 20}).status_code == 200
    dataset = team.member.post("/v1/datasets", content=conversations()).json()["id"]  # checked or not
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda _: team.submit(dataset), range(50)))
    assert Counter(answer.status_code for answer in answers) == {202: 20, 429: 30}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "jobs_per_day_reached"
    assert refused.headers["x-should-retry"] == "false"
    seen = team.viewer.get(path).json()["jobs_per_day"]
    assert seen == {"value": 20, "from": "team", "used": 20, "resets_at": refused.json()["facts"]["resets_at"]}


# ----------------------------------------------------------------------------------------------------------- over HTTP
@pytest.fixture
def platform_words(operator: Client) -> Iterator[Callable[..., Any]]:
    """Sets the platform's limits, which every team inherits while this test runs."""
    yield lambda **words: operator.put("/v1/limits", words)
    assert operator.put("/v1/limits", {}).status_code == 200


def test_a_team_sees_its_limits_and_whose_word_they_are(team: Team, platform_words: Callable[..., Any]) -> None:
    platform = platform_words(allowed_methods=["supervised"], weight=2.5, jobs_per_day=0).json()
    assert (platform["team"], platform["weight"]) == (None, {"from": "platform", "value": 2.5})
    assert platform == team.operator.get("/v1/limits").json()
    path = f"/v1/teams/{team.slug}/limits"
    put = team.operator.put(path, {"jobs_per_day": "unlimited", "approval_above": "50", "allowed_models": ["gpt-4.1"]})
    seen = team.viewer.get(path).json()
    assert seen == put.json()
    tokens = seen.pop("training_tokens_per_month")
    assert tokens | {"resets_at": ""} == {
        "from": "default",
        "value": "unlimited",
        "used": 0,
        "held": 0,
        "resets_at": "",
    }
    assert seen | {"jobs_per_day": None} == {
        "object": "limits", "team": team.slug, "currency": "USD", "jobs_per_day": None,
        "allowed_models": {"from": "team", "value": ["gpt-4.1-2025-04-14"]},
        "allowed_methods": {"from": "platform", "value": ["supervised"]},
        "concurrent_jobs": {"from": "default", "value": "unlimited", "used": 0, "resets_at": None},
        "weight": {"from": "platform", "value": 2.5},
        "approval_above": {"from": "team", "value": "50.00"},
        "storage_bytes": {"from": "default", "value": "unlimited", "used": 0, "resets_at": None},
        "retention_days": {"from": "default", "value": "unlimited"},
        "requests_per_minute": {"from": "default", "value": "unlimited"},
        "requests_per_minute_per_key": {"from": "default", "value": 6000},
    }  # fmt: skip
    assert (seen["jobs_per_day"]["value"], seen["jobs_per_day"]["used"]) == ("unlimited", 0)


@pytest.mark.parametrize(
    "words",
    [
        {"jobs_per_day": -1}, {"jobs_per_day": True}, {"jobs_per_day": "5"}, {"jobs_per_day": "infinite"},
        {"concurrent_jobs": 1.5}, {"weight": 0}, {"weight": "unlimited"}, {"approval_above": 10},
        {"approval_above": "-1"}, {"allowed_methods": ["magic"]}, {"allowed_models": ["no-such-model"]},
        {"allowed_models": "gpt-4.1"}, {"surprise": 1}, {"storage_bytes": -1}, {"storage_bytes": "1 GB"},
        {"retention_days": 0}, {"retention_days": 1.5},
    ],
)  # fmt: skip
def test_a_wrong_limit_is_named_and_changes_nothing(team: Team, words: dict[str, Any]) -> None:
    path = f"/v1/teams/{team.slug}/limits"
    before = team.viewer.get(path).json()
    answer = team.operator.put(path, words)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"#/{next(iter(words))}")
    assert team.viewer.get(path).json() == before


def test_no_team_lifts_its_own_limits(team: Team) -> None:
    for client in (team.admin, team.member, team.viewer, team.resolver):
        for path in (f"/v1/teams/{team.slug}/limits", "/v1/limits"):
            assert client.put(path, {"jobs_per_day": "unlimited"}).json()["code"] == "scope_missing"


def test_an_estimate_says_what_a_limit_denies(team: Team) -> None:
    team.operator.put(f"/v1/teams/{team.slug}/limits", {"allowed_models": [OTHER]})
    dataset = team.member.post("/v1/datasets", content=conversations()).json()["id"]
    told = team.member.post("/v1/jobs/estimate", {"model": SNAPSHOT, "dataset": dataset}).json()
    assert (told["status"], told["reason"]) == ("unavailable", "model_not_allowed")
    refused = team.submit(dataset)
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    assert refused.json()["errors"][0]["pointer"] == "#/model"


@pytest.mark.usefixtures("database")
def test_setting_limits_is_on_record() -> None:
    team = a_team()
    set_limits(team, jobs_per_day=5)
    set_limits(team, approval_above="unlimited")
    entries = text(
        'SELECT action, "before", "after" FROM audit_entries WHERE object_id = :team AND action = \'limits.set\' '
        "ORDER BY id"
    )
    with read_only(CLI) as session:
        found = [tuple(row) for row in session.execute(entries, {"team": ids.show("team", team.id)})]
    assert found == [
        ("limits.set", None, {"jobs_per_day": 5}),
        ("limits.set", {"jobs_per_day": 5}, {"approval_above": "unlimited"}),
    ]
