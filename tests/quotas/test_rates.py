"""How often a key and a team may ask, in all processes together, and with Redis away."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from service.api.rates import Bucket, Limiter, Standing, headers
from service.cli.local import LocalStack
from tests.stack import Client, Team
from tests.until import until


@pytest.fixture
def limited(make_team: Callable[..., Team]) -> Callable[..., Team]:
    """Makes a team with these limits, which nobody has asked for before."""

    def make(**limits: int | str) -> Team:
        team = make_team()
        assert team.operator.put(f"/v1/teams/{team.slug}/limits", limits).status_code == 200
        return team

    return make


def test_every_answer_to_a_key_says_how_often_it_may_ask(team: Team) -> None:
    for answer in (team.viewer.get("/v1/me"), team.viewer.get("/v1/jobs/job_x"), team.viewer.get("/v1/limits"),
                   team.operator.get("/v1/teams"), team.viewer.get("/v1/jobs?limit=0")):  # fmt: skip
        assert answer.headers["ratelimit-policy"] == '"key";q=6000;w=60'
        assert answer.headers["ratelimit"].startswith('"key";r=')


def test_nobody_is_counted_who_has_no_key_and_resolving_never_is(team: Team) -> None:
    for answer in (httpx2.get(f"{team.base_url}/v1/me"), httpx2.get(f"{team.base_url}/livez"),
                   team.resolver.get("/v1/models/x/resolve")):  # fmt: skip
        assert "ratelimit" not in answer.headers


def test_a_key_that_asks_too_often_is_told_when_to_come_back(limited: Callable[..., Team]) -> None:
    team = limited(requests_per_minute_per_key=3)
    left = [team.viewer.get("/v1/me").headers["ratelimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=2", "r=1", "r=0"]
    refused = team.viewer.get("/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["facts"] == {"quota": 3, "whose": "key", "seconds": int(refused.headers["retry-after"])}
    assert f"t={refused.headers['retry-after']}" in refused.headers["ratelimit"]
    assert refused.headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert team.member.get("/v1/me").status_code == 200  # another key
    until(lambda: team.viewer.get("/v1/models/x/resolve").status_code == 404, what="the key to be known, not refused")


def test_all_keys_of_a_team_share_its_limit(limited: Callable[..., Team]) -> None:
    team = limited(requests_per_minute=4, requests_per_minute_per_key="unlimited")
    answers = [client.get("/v1/me") for client in (team.viewer, team.member, team.admin) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert answers[0].headers["ratelimit-policy"] == '"team";q=4;w=60'
    assert answers[-1].json()["facts"]["whose"] == "team"


def test_zero_denies_and_the_platforms_keys_are_not_bound_by_what_they_set(
    limited: Callable[..., Team], operator: Client
) -> None:
    team = limited(requests_per_minute=0)
    refused = team.viewer.get("/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (403, "requests_denied")
    assert operator.get(f"/v1/teams/{team.slug}/limits").json()["requests_per_minute"]["value"] == 0


def test_without_any_limit_nothing_is_counted(limited: Callable[..., Team]) -> None:
    team = limited(requests_per_minute_per_key="unlimited")
    assert "ratelimit" not in team.viewer.get("/v1/me").headers


def test_what_the_headers_say() -> None:
    standings = [Standing(Bucket("key", "a", 600), 512, 13), Standing(Bucket("team", "b", 20), 0, 60)]
    assert headers(standings) == {
        "ratelimit-policy": '"key";q=600;w=60, "team";q=20;w=60', "ratelimit": '"key";r=512;t=13, "team";r=0;t=60',
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------- Redis or not
def granted(limiter: Limiter, asked: int, bucket: Bucket) -> int:
    """How many of so many requests pass."""

    async def ask() -> int:
        return sum([(await limiter.take([bucket]))[1] is None for _ in range(asked)])

    return asyncio.run(ask())


def test_two_processes_count_together(database: LocalStack) -> None:
    bucket, url = Bucket("key", f"shared {time.time()}", 5), database.environment["TUNEPLANE_BROKER_URL"]
    assert granted(Limiter(url, seconds=5), 3, bucket) + granted(Limiter(url, seconds=5), 9, bucket) == 5


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


def test_with_redis_away_or_silent_this_process_counts_and_nobody_waits() -> None:
    began = time.monotonic()
    assert granted(Limiter("redis://127.0.0.1:1/0", seconds=0.05), 20, Bucket("key", "away", 5)) == 5
    with silent_server() as url:
        assert granted(Limiter(url, seconds=0.05), 20, Bucket("key", "silent", 5)) == 5
    assert time.monotonic() - began < 2
