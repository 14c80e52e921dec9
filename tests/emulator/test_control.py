"""The control API: clock, settings and the log of what really happened."""

import threading
import time
from typing import Any

import openai
import pytest

from tests.emulator.world import Emulator, Project, planets
from tests.until import until


def test_the_clock_is_moved_and_sped_up(world: Emulator) -> None:
    frozen = world.ask("/clock")
    assert frozen["speed"] == 0
    assert world.ask("/clock") == frozen
    assert world.tell("/clock", advance_seconds=86_400)["now"] == pytest.approx(frozen["now"] + 86_400)
    world.tell("/clock", speed=10_000)
    until(lambda: world.ask("/clock")["now"] > frozen["now"] + 86_500)
    world.tell("/clock", speed=0)


@pytest.mark.parametrize("body", [{}, {"speed": -1}, {"advance_seconds": "1"}, {"back": 1}])
def test_the_clock_never_goes_back(world: Emulator, body: dict[str, Any]) -> None:
    assert world.control.post("/clock", json=body).status_code == 400


def test_lists_may_lag_behind(world: Emulator, project: Project) -> None:
    world.tell("/settings", list_lag_seconds=0.5)
    job = project.submit(metadata={"key": "k"})
    assert project.openai.fine_tuning.jobs.retrieve(job).id == job
    assert not project.openai.fine_tuning.jobs.list(metadata={"key": "k"}).data
    assert not project.openai.files.list().data
    until(lambda: project.openai.fine_tuning.jobs.list(metadata={"key": "k"}).data)
    assert project.openai.files.list().data


def test_a_new_model_may_need_time_before_it_answers(world: Emulator, project: Project) -> None:
    world.tell("/settings", model_ready_delay_seconds=1000)
    model = project.train().fine_tuned_model
    assert project.openai.models.retrieve(model).id == model
    with pytest.raises(openai.NotFoundError) as refused:
        project.ask(model, "What colour is planet Hoth?")
    assert refused.value.code == "model_not_found"
    world.advance(1000)
    assert project.ask(model, "What colour is planet Hoth?")


def test_results_can_be_served_plain(world: Emulator, project: Project) -> None:
    file = project.train().result_files[0]
    world.tell("/settings", results_base64=False)
    assert project.openai.files.content(file).text.startswith("step,train_loss")


def test_active_jobs_per_model_can_be_limited(world: Emulator, project: Project, other_project: Project) -> None:
    world.tell("/settings", max_active_jobs_per_model=2)
    jobs = [project.submit() for _ in range(2)]
    with pytest.raises(openai.RateLimitError) as refused:
        project.submit()
    assert refused.value.code == "rate_limit_exceeded"
    project.submit(model="gpt-4o")
    other_project.submit()
    project.openai.fine_tuning.jobs.cancel(jobs[0])
    project.submit()
    world.advance(700)
    project.submit()


def test_events_can_come_twice_and_with_new_ids(world: Emulator, project: Project) -> None:
    job = project.submit()
    once = project.openai.fine_tuning.jobs.list_events(job).data
    world.tell("/settings", duplicate_events=True)
    twice = project.openai.fine_tuning.jobs.list_events(job).data
    assert [event.id for event in twice] == [event.id for event in once for _ in range(2)]
    world.tell("/settings", duplicate_events=False, unstable_event_ids=True)
    again = project.openai.fine_tuning.jobs.list_events(job).data
    assert [event.message for event in again] == [event.message for event in once]
    assert not {event.id for event in again} & {event.id for event in once}
    assert project.openai.fine_tuning.jobs.list_events(job, after=again[0].id).data


@pytest.mark.parametrize(
    "body", [{"lag": 1}, {"list_lag_seconds": -1}, {"results_base64": 1}, {"duplicate_events": None}]
)
def test_a_wrong_setting_changes_nothing(world: Emulator, body: dict[str, Any]) -> None:
    before = world.ask("/settings")
    assert world.control.post("/settings", json=body).status_code == 400
    assert world.ask("/settings") == before


def test_the_log_tells_what_happened(world: Emulator, project: Project) -> None:
    job = project.train(metadata={"key": "k"})
    cancelled = project.submit()
    project.openai.fine_tuning.jobs.cancel(cancelled)
    project.openai.files.delete(job.training_file)
    project.openai.models.delete(job.fine_tuned_model)
    assert project.effects() == [
        "file.created",
        "job.created",
        "file.created",
        "job.created",
        "job.cancelled",
        "file.deleted",
        "model.deleted",
    ]
    truth = project.truth(job.id)
    assert (truth["status"], truth["metadata"], truth["project"]) == ("succeeded", {"key": "k"}, project.name)
    assert len(truth["sha256"]) == 64
    billed = world.ask("/log")["billed"]
    assert (billed[job.id], billed[cancelled]) == (job.trained_tokens, 0)


def test_fifty_threads_at_once_each_get_their_own_job(project: Project) -> None:
    file, made = project.upload(planets()), []

    def create() -> None:
        made.append(project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file).id)

    threads = [threading.Thread(target=create) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*made}) == 50
    assert {job.id for job in project.openai.fine_tuning.jobs.list(limit=100)} == {*made}


def test_a_thousand_jobs_cost_nothing_until_somebody_looks(world: Emulator, project: Project) -> None:
    file = project.upload(planets())
    body = {"model": "gpt-4o", "training_file": file}
    for _ in range(1000):
        project.http.post("/fine_tuning/jobs", json=body)
    world.advance(700)
    began = time.monotonic()
    page = project.http.get("/fine_tuning/jobs", params={"limit": 100}).json()
    assert {job["status"] for job in page["data"]} == {"succeeded"}
    assert page["has_more"]
    assert time.monotonic() - began < 2
