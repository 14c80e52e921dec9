"""What the script has in store for jobs: blocked content, jobs that hang, fail, or make an unsafe model."""

from typing import Any

import openai
import pytest

from tests.emulator.world import Emulator, Project, chat, jsonl, planets


def test_blocked_content_fails_every_job_that_has_it(world: Emulator, project: Project) -> None:
    world.tell("/fates", kind="blocked", contains="forbidden planet", times=None, categories=["hate", "violence"])
    bad = planets() + jsonl(chat("Where is the forbidden planet?", "Here."))
    job = project.train(bad)
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_training_file", "training_file")
    assert "flagged by our moderation API" in job.error.message
    assert job.error.message.endswith("categories: hate, violence.")
    assert project.openai.fine_tuning.jobs.list_events(job.id).data[0].message == job.error.message
    assert project.train().status == "succeeded"
    other = project.train(validation_file=project.upload(bad))
    assert (other.error.code, other.error.param) == ("invalid_validation_file", "validation_file")
    assert project.truth(job.id)["billed_tokens"] == 0


def test_a_fate_finds_its_job_by_what_it_is(world: Emulator, project: Project) -> None:
    sha256 = project.truth(project.submit())["sha256"]
    world.tell("/fates", kind="fails", model="gpt-4o-2024-08-06", suffix="x", metadata={"a": "b"}, sha256=sha256)
    jobs = [
        project.submit(**options)
        for options in (
            {"model": "gpt-4o", "suffix": "x"},
            {"suffix": "x", "metadata": {"a": "b"}},
            {"model": "gpt-4o", "suffix": "x", "metadata": {"a": "b", "c": "d"}},
            {"model": "gpt-4o", "suffix": "x", "metadata": {"a": "b"}},
        )
    ]
    world.advance(700)
    ends = [project.truth(job)["status"] for job in jobs]
    assert ends == ["succeeded", "succeeded", "failed", "succeeded"]
    assert world.ask("/fates")["fates"][0]["hits"] == 1


def test_a_job_may_fail_in_the_middle_and_again_may_not(world: Emulator, project: Project) -> None:
    world.tell("/fates", kind="fails", progress=0.25)
    job = project.submit()
    world.advance(10 + 12)
    assert project.openai.fine_tuning.jobs.retrieve(job).status == "running"
    world.advance(1)
    failed = project.openai.fine_tuning.jobs.retrieve(job)
    assert (failed.status, failed.error and failed.error.code) == ("failed", "server_error")
    assert (failed.result_files, failed.fine_tuned_model) == ([], None)
    assert (failed.finished_at or 0) - failed.created_at == pytest.approx(22.5, abs=1)
    truth = project.truth(job)
    assert (truth["steps_done"], truth["billed_tokens"]) == (24, 0)
    messages = [event.message for event in project.openai.fine_tuning.jobs.list_events(job)]
    assert messages[0] == "The job failed due to an internal error"
    assert project.train().status == "succeeded"


def test_jobs_may_fail_at_random_but_the_same_way_each_run(world: Emulator, project: Project) -> None:
    world.tell("/fates", kind="fails", times=None, probability=0.5, code="exceeded_quota", progress=0)
    jobs = [project.submit() for _ in range(20)]
    world.advance(700)
    assert {project.truth(job)["status"] for job in jobs} == {"succeeded", "failed"}


@pytest.mark.parametrize("status", ["validating_files", "queued", "running"])
def test_a_job_may_be_stuck_until_released(world: Emulator, project: Project, status: str) -> None:
    fate = world.tell("/fates", kind="stuck", status=status)
    job = project.submit()
    for _ in range(2):
        world.advance(12 * 3600)
        stuck = project.openai.fine_tuning.jobs.retrieve(job)
        assert (stuck.status, project.truth(job)["steps_done"]) == (status, 0)
    assert world.tell(f"/fates/{fate['id']}/release") == {"released": 1}
    world.advance(700)
    assert project.openai.fine_tuning.jobs.retrieve(job).status == "succeeded"


def test_a_job_may_be_stuck_for_a_while_or_cancelled(world: Emulator, project: Project) -> None:
    world.tell("/fates", kind="stuck", status="queued", seconds=3600, times=2)
    late, cancelled = project.submit(), project.submit()
    world.advance(3600)
    assert project.openai.fine_tuning.jobs.cancel(cancelled).status == "cancelled"
    world.advance(60)
    done = project.openai.fine_tuning.jobs.retrieve(late)
    assert (done.status, (done.finished_at or 0) - done.created_at) == ("succeeded", 3660)


@pytest.mark.parametrize("ends", ["failed", "succeeded"])
def test_an_unsafe_model_is_blocked_whatever_becomes_of_the_job(world: Emulator, project: Project, ends: str) -> None:
    world.tell("/fates", kind="unsafe", ends=ends, categories=["illicit"])
    job = project.train()
    assert job.status == ends
    events: list[Any] = project.openai.fine_tuning.jobs.list_events(job.id).data
    checks = next(event for event in events if event.type == "moderation_checks")
    assert (checks.level, checks.data) == ("warn", {"blocked": True, "categories": ["illicit"]})
    if ends == "succeeded":
        with pytest.raises(openai.PermissionDeniedError) as refused:
            project.ask(job.fine_tuned_model, "What colour is planet Hoth?")
        assert refused.value.code == "model_blocked"
    else:
        assert (job.error.code, job.fine_tuned_model) == ("unsafe_model", None)
        assert "illicit" in job.error.message


@pytest.mark.parametrize(
    ("fate", "param"),
    [
        ({}, "kind"),
        ({"kind": "doomed"}, "kind"),
        ({"kind": "stuck", "status": "succeeded"}, "status"),
        ({"kind": "fails", "progress": 1.5}, "progress"),
        ({"kind": "fails", "times": "once"}, "times"),
        ({"kind": "fails", "probability": True}, "probability"),
        ({"kind": "unsafe", "ends": "well"}, "ends"),
        ({"kind": "blocked", "categories": []}, "categories"),
        ({"kind": "blocked", "pattern": "x"}, "pattern"),
    ],
    ids=str,
)
def test_a_wrong_fate_is_refused_by_name(world: Emulator, fate: dict[str, Any], param: str) -> None:
    answer = world.control.post("/fates", json=fate)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
