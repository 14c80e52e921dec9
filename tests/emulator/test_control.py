"""The control API: clock, settings and the log of what really happened."""

import threading
import time
from typing import Any

import openai
import pytest

from tests.emulator.world import Emulator, Project, planets
from tests.until import until

ERROR = ("code", "message", "param")


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


def test_a_loading_model_may_be_a_rate_limit_instead(world: Emulator, project: Project) -> None:
    world.tell("/settings", model_ready_delay_seconds=1000, model_loading_status=429)
    model = project.train().fine_tuned_model
    with pytest.raises(openai.RateLimitError, match="is still being loaded"):
        project.ask(model, "What colour is planet Hoth?")


def test_lists_may_claim_more_where_there_is_none(world: Emulator, project: Project) -> None:
    world.tell("/settings", has_more_always=True)
    job = project.train()
    jobs = project.openai.fine_tuning.jobs
    for path in ("/files", "/fine_tuning/jobs", f"/fine_tuning/jobs/{job.id}/events"):
        assert project.http.get(path).json()["has_more"]
        assert project.http.get(f"{path}?limit=1&after=nobody").status_code == 404
    last = jobs.list(after=job.id)
    assert (last.data, last.has_more) == ([], True)
    assert [one.id for one in jobs.list(limit=1)] == [job.id]  # the SDK stops at the empty page


@pytest.mark.parametrize(("name", "shown"), [("null", None), ("empty", {}), ("nulls", dict.fromkeys(ERROR))])
def test_no_error_has_three_shapes(world: Emulator, project: Project, name: str, shown: Any) -> None:
    world.tell("/settings", no_error_as=name)
    job = project.submit()
    assert project.http.get(f"/fine_tuning/jobs/{job}").json()["error"] == shown
    parsed = project.openai.fine_tuning.jobs.retrieve(job).error
    assert not (parsed and parsed.code)
    assert project.train(b"{}\n").error.code == "invalid_training_file"


@pytest.mark.parametrize("status", [400, 403])
def test_creation_may_be_closed(world: Emulator, project: Project, status: int) -> None:
    file = project.upload(planets())
    world.tell("/settings", creation_closed=True, creation_closed_status=status)
    with pytest.raises(openai.APIStatusError) as refused:
        project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file)
    assert (refused.value.status_code, refused.value.code) == (status, "fine_tuning_not_available")


def test_creation_ends_with_the_platform_and_jobs_go_on(world: Emulator, project: Project) -> None:
    job = project.submit()
    world.tell("/settings", winds_down_at=world.ask("/clock")["now"] + 8)
    assert project.submit()
    world.advance(8)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        project.submit()
    assert refused.value.code == "fine_tuning_wound_down"
    world.advance(700)
    done = project.openai.fine_tuning.jobs.retrieve(job)
    assert done.status == "succeeded"
    assert project.ask(done.fine_tuned_model or "", "What colour is planet Hoth?")


def test_the_end_may_be_given_as_a_day(world: Emulator) -> None:
    assert world.tell("/settings", winds_down_at="2027-01-06")["winds_down_at"] == 1_799_193_600
    assert world.tell("/settings", winds_down_at=None)["winds_down_at"] is None


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
    "body", [{"lag": 1}, {"list_lag_seconds": -1}, {"results_base64": 1}, {"winds_down_at": "soon"}]
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
