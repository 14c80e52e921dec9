"""What goes on working while Postgres does not: a Postgres of the test's own is stopped, killed and brought back."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx2
import psutil
import pytest

from service import tenants
from service.cli.embedded import PostgresServer
from service.cli.local import LocalStack
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.conftest import Launch
from tests.registry.factories import a_version
from tests.stack import Platform, Team
from tests.until import until

PATH = "/v1/models/support-bot/resolve"


@dataclass
class World:
    """An API over a Postgres of its own, with a team whose alias points at the first of two versions."""

    stack: LocalStack
    platform: Platform
    team: Team

    def resolve(self) -> httpx2.Response:
        return self.team.resolver.get(PATH)

    def promote(self, version: int) -> httpx2.Response:
        return self.team.member.put("/v1/models/support-bot/aliases/production", {"version": version})

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Postgres with all its processes stands still: connections stay open and nothing answers."""
        postmaster = psutil.Process(self.stack.postgres.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def own_world(launch: Launch) -> Iterator[World]:
    """Shared by the tests of this file: each leaves Postgres as it found it."""
    with ExitStack() as cleanup:
        postgres = cleanup.enter_context(PostgresServer(launch.folder / "outage", durable=False))
        stack = launch(cleanup, postgres=postgres, settings={"resolve_poll_seconds": "1"})
        stack.start_api()
        platform = Platform(stack)
        team = platform.team()
        with read_only(CLI) as session:
            facts = tenants.find_team(session, team.slug)
        for model in ("ft:one", "ft:two"):
            a_version(facts, model=model)
        yield World(stack, platform, team)


@pytest.fixture
def world(own_world: World) -> World:
    """Everything works, and production means the first version."""
    until(lambda: own_world.promote(1).status_code == 200, within=15)
    until(lambda: own_world.resolve().json().get("model") == "ft:one")
    return own_world


def test_resolving_goes_on_while_postgres_stands_still_and_writes_are_refused_in_time(world: World) -> None:
    assert world.team.viewer.get("/v1/models").status_code == 200
    with world.frozen():
        for _ in range(2):  # the first finds out, the second need not
            started = time.monotonic()
            refused = world.promote(2)
            assert time.monotonic() - started < 6
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            assert 0 < int(refused.headers["retry-after"]) <= 60
        until(lambda: "age" in world.resolve().headers, within=5)
        times = []
        for _ in range(20):
            started = time.monotonic()
            answered = world.resolve()
            times.append(time.monotonic() - started)
            assert (answered.status_code, answered.json()["model"]) == (200, "ft:one")
        assert sorted(times)[10] < 0.05
        assert int(answered.headers["age"]) >= 2
        assert world.team.resolver.get("/v1/models/unknown/resolve").json()["code"] == "registry_unreachable"
        ready = httpx2.get(f"{world.stack.api_url}/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (200, "ready", "away")
        assert ready.json()["registry"]["is_stale"]
        assert httpx2.get(f"{world.stack.api_url}/livez").status_code == 200
    until(lambda: world.promote(2).status_code == 200, within=10)
    until(lambda: world.resolve().json()["model"] == "ft:two", within=5)
    until(lambda: "age" not in world.resolve().headers, within=5)


def test_many_requests_at_a_postgres_that_stands_still_do_not_wait_one_after_the_other(world: World) -> None:
    with world.frozen(), ThreadPoolExecutor(32) as pool:
        started = time.monotonic()
        refused = list(pool.map(lambda _: world.team.member.get("/v1/models"), range(32)))
        resolved = world.resolve()
        assert {one.status_code for one in refused} == {503}
        assert time.monotonic() - started < 6
        assert resolved.status_code == 200


def test_resolving_outlives_a_killed_postgres_and_hears_of_moves_once_it_is_back(world: World) -> None:
    world.stack.postgres.kill()
    until(lambda: world.promote(2).status_code == 503, within=6)
    assert world.resolve().json()["model"] == "ft:one"
    world.stack.postgres.start()
    until(lambda: world.promote(2).status_code == 200, within=15)
    until(lambda: world.resolve().json()["model"] == "ft:two", within=5)
    until(lambda: "age" not in world.resolve().headers, within=5)
    started = time.monotonic()  # by notification again
    assert world.promote(1).status_code == 200
    until(lambda: world.resolve().json()["model"] == "ft:one", within=0.9)
    assert time.monotonic() - started < 1
