"""Every kind of scripted trouble, seen by the client and by the truth behind it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from tests.emulator.world import Emulator, Project, planets
from tests.until import until

JOBS = {"method": "POST", "path": "/v1/fine_tuning/jobs$"}


class Background:
    """A call in a thread: its result or its error."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except openai.OpenAIError as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()


def jobs_of(project: Project) -> int:
    return project.effects().count("job.created")


def test_a_fault_may_strike_by_chance(world: Emulator, project: Project) -> None:
    world.tell("/faults", kind="status", status=503, path="/v1/models$", times=None, probability=0.3)
    answers = [_status(project) for _ in range(60)]
    assert 6 <= answers.count(503) <= 30
    assert answers.count(200) == 60 - answers.count(503)


def _status(project: Project) -> int:
    try:
        project.openai.models.list()
    except openai.APIStatusError as error:
        return error.status_code
    return 200


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, openai.AuthenticationError, "invalid_api_key"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, "server_error"),
        (503, openai.InternalServerError, "server_is_overloaded"),
    ],
)
def test_a_status_answers_before_any_effect(
    world: Emulator, project: Project, status: int, error: type[openai.APIStatusError], code: str
) -> None:
    file = project.upload(planets())
    world.tell("/faults", **JOBS, kind="status", status=status, retry_after=1)
    with pytest.raises(error) as raised:
        project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file)
    assert raised.value.code == code
    assert raised.value.response.headers["retry-after"] == "1"
    assert raised.value.request_id
    assert jobs_of(project) == 0
    project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file)
    assert jobs_of(project) == 1


def test_code_and_message_can_be_chosen(world: Emulator, project: Project) -> None:
    world.tell("/faults", kind="status", status=429, code="insufficient_quota", message="Pay first", should_retry=False)
    answer = project.http.get("/models")
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == ("insufficient_quota", "Pay first")
    assert answer.headers["x-should-retry"] == "false"


def test_create_then_500_creates(world: Emulator, project: Project) -> None:
    fault = world.tell("/faults", **JOBS, kind="create_then_500")
    with pytest.raises(openai.InternalServerError):
        project.submit(metadata={"key": "k1"})
    assert jobs_of(project) == 1
    assert len(project.openai.fine_tuning.jobs.list(metadata={"key": "k1"}).data) == 1
    met = [entry["fault"] for entry in world.ask("/log")["effects"] if entry["project"] == project.name]
    assert met == [None, fault["id"]]


@pytest.mark.parametrize(("kind", "jobs"), [("drop", 0), ("create_then_drop", 1)])
def test_a_dropped_connection_is_a_connection_error(world: Emulator, project: Project, kind: str, jobs: int) -> None:
    world.tell("/faults", **JOBS, kind=kind)
    with pytest.raises(openai.APIConnectionError) as raised:
        project.submit()
    assert not isinstance(raised.value, openai.APITimeoutError)
    assert isinstance(raised.value.__cause__, httpx2.ReadError | httpx2.RemoteProtocolError)
    assert jobs_of(project) == jobs
    assert len(project.openai.fine_tuning.jobs.list().data) == jobs


def test_the_sdks_own_retries_after_a_lost_answer_make_a_second_job(world: Emulator, project: Project) -> None:
    """Why our own calls go out with max_retries=0 (no idempotency key is honoured, §1.2)."""
    file = project.upload(planets())
    world.tell("/faults", **JOBS, kind="create_then_drop")
    project.openai.with_options(max_retries=2).fine_tuning.jobs.create(model="gpt-4o", training_file=file)
    assert jobs_of(project) == 2
    retries = [entry["retry_count"] for entry in world.ask("/log")["effects"] if entry["project"] == project.name]
    assert retries == ["0", "0", "1"]


def test_a_held_request_waits_without_effect(world: Emulator, project: Project) -> None:
    fault = world.tell("/faults", **JOBS, kind="hold")
    call = Background(project.submit)
    until(lambda: world.ask("/faults")["held"] == 1)
    assert jobs_of(project) == 0
    assert world.tell(f"/faults/{fault['id']}/release") == {"released": 1}
    call.join()
    assert jobs_of(project) == 1
    assert call.result.startswith("ftjob-")


def test_a_request_held_after_its_effect_has_it_already(world: Emulator, project: Project) -> None:
    fault = world.tell("/faults", **JOBS, kind="hold_after")
    call = Background(project.submit)
    until(lambda: world.ask("/faults")["held"] == 1)
    assert jobs_of(project) == 1
    world.tell(f"/faults/{fault['id']}/release")
    call.join()
    assert project.openai.fine_tuning.jobs.retrieve(call.result).id == call.result


def test_a_held_request_takes_effect_even_when_its_client_has_gone(world: Emulator, project: Project) -> None:
    file = project.upload(planets())
    fault = world.tell("/faults", **JOBS, kind="hold")
    with pytest.raises(openai.APITimeoutError):
        project.openai.with_options(timeout=0.2).fine_tuning.jobs.create(model="gpt-4o", training_file=file)
    assert (jobs_of(project), world.ask("/faults")["held"]) == (0, 1)
    world.tell(f"/faults/{fault['id']}/release")
    until(lambda: jobs_of(project) == 1)


def test_clearing_the_faults_lets_held_requests_go_on(world: Emulator, project: Project) -> None:
    world.tell("/faults", **JOBS, kind="hold")
    call = Background(project.submit)
    until(lambda: world.ask("/faults")["held"] == 1)
    assert world.control.delete("/faults").json() == {"removed": 1}
    call.join()
    assert jobs_of(project) == 1
    assert world.ask("/faults") == {"faults": [], "held": 0}


def test_a_delay_is_real_time(world: Emulator, project: Project) -> None:
    world.tell("/faults", kind="delay", delay_seconds=0.3, path="/v1/models")
    began = time.monotonic()
    assert project.http.get("/models").status_code == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("status", [200, 502])
def test_garbage_is_not_json(world: Emulator, project: Project, status: int) -> None:
    world.tell("/faults", **JOBS, kind="garbage", status=status)
    answer = project.http.post("/fine_tuning/jobs", json={"model": "gpt-4o"})
    assert answer.status_code == status
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        json.loads(answer.content)


def test_garbage_may_come_after_the_effect(world: Emulator, project: Project) -> None:
    world.tell("/faults", **JOBS, kind="garbage", after=True)
    with pytest.raises(openai.InternalServerError) as raised:
        project.submit()
    assert raised.value.code is None
    assert jobs_of(project) == 1


def test_a_fault_strikes_only_what_it_matches_and_only_so_often(world: Emulator, project: Project) -> None:
    file = project.upload(planets())
    world.tell("/faults", **JOBS, kind="status", metadata={"key": "struck"}, times=2)
    world.tell("/faults", **JOBS, kind="status", status=503, body_contains='"suffix":"unlucky"', times=None)

    def create(**more: Any) -> int:
        body = json.dumps({"model": "gpt-4o", "training_file": file, **more}, separators=(",", ":"))
        return project.http.post("/fine_tuning/jobs", content=body).status_code

    struck = {"metadata": {"key": "struck", "more": "x"}}
    assert [create(**struck) for _ in range(3)] == [500, 500, 200]
    assert create(metadata={"key": "spared"}) == 200
    assert [create(suffix="unlucky") for _ in range(3)] == [503] * 3
    assert project.http.get("/fine_tuning/jobs").status_code == 200
    assert [fault["hits"] for fault in world.ask("/faults")["faults"]] == [2, 3]


@pytest.mark.parametrize(
    "script",
    [{"kind": "flood"}, {"kind": "drop", "path": "("}, {"kind": "drop", "time": 1}, {"kind": "drop", "times": "1"}],
)
def test_a_script_that_makes_no_sense_is_refused(world: Emulator, script: dict[str, Any]) -> None:
    assert world.control.post("/faults", json=script).status_code == 400
    assert world.ask("/faults")["faults"] == []


def test_an_answer_may_come_slowly_after_its_effect(world: Emulator, project: Project) -> None:
    world.tell("/faults", kind="slow_body", path="/v1/models$", delay_seconds=0.6)
    with pytest.raises(httpx2.ReadTimeout):
        project.http.get("/models", timeout=0.3)
    world.tell("/faults", kind="slow_body", path="/v1/models$", delay_seconds=0.1)
    assert project.http.get("/models").json()["object"] == "list"
