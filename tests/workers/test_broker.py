"""The broker dies, forgets everything, or stays away: slower, never stopped, and nobody at the API notices."""

from collections.abc import Callable

from service.cli.local import LocalStack
from tests.stack import Emulator, Platform, Team, conversations
from tests.until import until


def start(own_platform: Callable[..., LocalStack]) -> tuple[LocalStack, Team]:
    stack = own_platform()
    stack.start_emulator(speed=100)
    Emulator(stack.emulator_url)
    stack.start_api()
    stack.start_worker()
    stack.start_dispatcher()
    return stack, Platform(stack).team()


def test_a_broker_killed_and_flushed_under_a_busy_worker_loses_no_job(own_platform: Callable[..., LocalStack]) -> None:
    stack, team = start(own_platform)
    dataset = team.ready_dataset(conversations())["id"]
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
    own_platform: Callable[..., LocalStack],
) -> None:
    stack, team = start(own_platform)
    dataset = team.ready_dataset(conversations())["id"]
    stack.valkey.kill()
    answer = team.submit(dataset)
    assert answer.status_code == 202
    assert answer.elapsed.total_seconds() < 2
    for path in ("/v1/jobs", "/v1/me", "/v1/costs", "/v1/datasets", "/v1/models", "/v1/base-models", "/v1/prices"):
        asked = team.member.get(path)
        assert asked.status_code == 200, path
        assert asked.elapsed.total_seconds() < 2
    team.job_in(answer.json()["id"], "succeeded", within=60)
    stack.valkey.start()
    again = team.submit(dataset).json()["id"]
    team.job_in(again, "succeeded", within=60)


def test_two_dispatchers_do_nothing_twice(own_platform: Callable[..., LocalStack]) -> None:
    stack, team = start(own_platform)
    stack.start_dispatcher("second")
    dataset = team.ready_dataset(conversations())["id"]
    jobs = [team.submit(dataset).json()["id"] for _ in range(8)]
    for job in jobs:
        team.job_in(job, "succeeded", within=60)
    log = Emulator(stack.emulator_url).log()
    assert len(log["jobs"]) == len(jobs)
    until(lambda: stack.processes.ended() == [], what="both dispatchers to live")
