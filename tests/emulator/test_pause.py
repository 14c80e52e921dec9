"""A job that is paused stands still, leaves a snapshot, and goes on from there."""

import openai
import pytest

from tests.emulator.world import Emulator, Project, planets


def test_a_paused_job_stands_still_until_resumed(world: Emulator, project: Project) -> None:
    jobs, job = project.openai.fine_tuning.jobs, project.submit()
    world.advance(10 + 24)  # 96 steps take 50 s
    paused = jobs.pause(job)
    assert (str(paused.status), paused.estimated_finish, paused.hyperparameters.n_epochs) == ("paused", None, 8)
    world.advance(86_400)
    assert project.truth(job)["steps_done"] == 46
    assert str(jobs.retrieve(job).status) == "paused"
    assert jobs.resume(job).status == "queued"
    seen = []
    for seconds in (5, 25, 2):
        world.advance(seconds)
        seen.append(jobs.retrieve(job).status)
    assert seen == ["running", "running", "succeeded"]
    done = jobs.retrieve(job)
    assert (done.finished_at or 0) - done.created_at == pytest.approx(10 + 24 + 86_400 + 5 + 26, abs=1)
    assert done.trained_tokens == project.train().trained_tokens
    assert project.effects()[:4] == ["file.created", "job.created", "job.paused", "job.resumed"]


def test_its_events_tell_the_story_in_order(world: Emulator, project: Project) -> None:
    jobs, job = project.openai.fine_tuning.jobs, project.submit()
    for seconds in (20, 10):
        world.advance(seconds)
        jobs.pause(job)
        world.advance(100)
        jobs.resume(job)
    world.advance(700)
    events = list(jobs.list_events(job, limit=100))[::-1]
    assert len({event.id for event in events}) == len(events)
    assert [event.created_at for event in events] == sorted(event.created_at for event in events)
    told = [event.message for event in events if event.type == "message"]
    pause = [
        "Fine-tuning job started",
        "Checkpoint created at step",
        "Fine-tuning job paused",
        "Fine-tuning job resumed, moving job to queued state",
    ]
    assert [message.split(" 1")[0].split(" 2")[0] for message in told[3:12]] == [*pause, *pause, pause[0]]
    assert told[-1] == "The job has successfully completed"


def test_its_snapshot_is_a_model_before_and_after_the_end(world: Emulator, project: Project) -> None:
    jobs, job = project.openai.fine_tuning.jobs, project.submit()
    world.advance(34)
    jobs.pause(job)
    snapshot = next(
        one for one in jobs.checkpoints.list(job) if one.step_number == project.truth(job)["steps_done"]
    ).fine_tuned_model_checkpoint
    assert snapshot.endswith(":ckpt-step-46")
    assert project.ask(snapshot, "What colour is planet Hoth?").startswith("Planet")
    jobs.resume(job)
    world.advance(700)
    assert snapshot in {one.fine_tuned_model_checkpoint for one in jobs.checkpoints.list(job)}
    assert len(jobs.checkpoints.list(job).data) == 4
    assert project.openai.models.retrieve(snapshot).id == snapshot


def test_a_paused_job_can_be_cancelled_and_costs_what_was_done(world: Emulator, project: Project) -> None:
    job = project.submit()
    world.advance(35)
    project.openai.fine_tuning.jobs.pause(job)
    half = project.train().trained_tokens // 2
    assert project.truth(job)["billed_tokens"] == half
    assert project.openai.fine_tuning.jobs.cancel(job).status == "cancelled"
    assert (project.truth(job)["status"], project.truth(job)["billed_tokens"]) == ("cancelled", half)
    with pytest.raises(openai.BadRequestError):
        project.openai.fine_tuning.jobs.resume(job)


@pytest.mark.parametrize("seconds", [0, 6, 700])
def test_only_a_running_job_can_be_paused_and_only_a_paused_one_resumed(
    world: Emulator, project: Project, seconds: float
) -> None:
    job = project.submit(planets())
    world.advance(seconds)
    for verb in (project.openai.fine_tuning.jobs.pause, project.openai.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError):
            verb(job)
