"""The broker dies, forgets everything, or stays away: slower, never stopped, and nobody at the API notices."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from service.cli.local import LocalStack
from tests.conftest import Launch
from tests.stack import Emulator, Platform, Team, conversations

READS = ("/v1/jobs", "/v1/me", "/v1/costs", "/v1/datasets", "/v1/models", "/v1/base-models", "/v1/prices")


@pytest.fixture(scope="module")
def stack(launch: Launch) -> Iterator[LocalStack]:
    """A platform whose broker may be broken, with two dispatchers."""
    with ExitStack() as cleanup:
        made = launch(cleanup)
        made.start_emulator(speed=200)
        made.start_api()
        made.start_worker()
        made.start_dispatcher()
        made.start_dispatcher("second")
        yield made


@pytest.fixture(scope="module")
def team(stack: LocalStack) -> Team:
    return Platform(stack).team()


@pytest.fixture(scope="module")
def dataset(team: Team) -> str:
    return str(team.ready_dataset(conversations())["id"])


def test_two_dispatchers_do_nothing_twice(stack: LocalStack, team: Team, dataset: str) -> None:
    jobs = [team.submit(dataset).json()["id"] for _ in range(8)]
    for job in jobs:
        team.job_in(job, "succeeded")
    assert len(Emulator(stack.emulator_url).log()["jobs"]) == len(jobs)


def test_a_broker_killed_and_flushed_under_a_busy_worker_loses_no_job(
    stack: LocalStack, team: Team, dataset: str
) -> None:
    jobs = [team.submit(dataset).json()["id"] for _ in range(12)]
    for job in jobs[:3]:
        team.job_in(job, "running", "succeeded")
        stack.valkey.kill()
        stack.valkey.start()
        stack.valkey.flush()
    for job in jobs:
        team.job_in(job, "succeeded", within=60)
    assert stack.processes.ended() == [], "the worker survived the broker (workers/kombu_guard.py)"


def test_without_a_broker_the_api_answers_as_usual_and_the_dispatcher_does_the_work(
    stack: LocalStack, team: Team, dataset: str
) -> None:
    stack.valkey.kill()
    submitted = team.submit(dataset)
    assert submitted.status_code == 202
    for asked in (submitted, *(team.member.get(path) for path in READS)):
        assert asked.is_success, asked.url
        assert asked.elapsed.total_seconds() < 2, asked.url
    team.job_in(submitted.json()["id"], "succeeded", within=60)
    stack.valkey.start()
    team.job_in(team.submit(dataset).json()["id"], "succeeded", within=60)
    assert stack.processes.ended() == []
