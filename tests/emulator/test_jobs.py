"""A job over virtual time: states, events, hyperparameters, the bill."""

import asyncio
from typing import Any

import openai
import pytest

from emulator import catalog, job_views
from emulator.files import StoredFile
from emulator.jobs import Job, JobRequest
from emulator.lessons import Content
from emulator.methods import Method
from emulator.studies import Outcome, Question, Studies
from emulator.tokens import count_example
from tests.emulator.world import Emulator, Project, chat, jsonl, planets

# bpe_openai opens its ranks in a way that importlib.resources deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:open_binary is deprecated:DeprecationWarning")


def test_the_states_follow_the_clock(world: Emulator, project: Project) -> None:
    job, seen = project.submit(), []
    for seconds in (0, 5, 5, 30, 60):
        world.advance(seconds)
        seen.append(project.openai.fine_tuning.jobs.retrieve(job))
    assert [one.status for one in seen] == ["validating_files", "queued", "running", "running", "succeeded"]
    assert [one.estimated_finish for one in seen] == [None, None, seen[-1].finished_at, seen[-1].finished_at, None]
    assert [one.hyperparameters.n_epochs for one in seen] == ["auto", "auto", 8, 8, 8]
    assert (seen[-1].hyperparameters.batch_size, seen[-1].hyperparameters.learning_rate_multiplier) == (1, 1.8)
    assert [one.trained_tokens is None for one in seen] == [True, True, True, True, False]
    assert 60 <= (seen[-1].finished_at or 0) - seen[-1].created_at <= 600


def test_events_come_in_the_order_openai_sends_them(world: Emulator, project: Project) -> None:
    job = project.submit(planets(60))
    world.advance(12)
    begun = [event.message for event in project.openai.fine_tuning.jobs.list_events(job, limit=100)][::-1]
    world.advance(700)
    events = list(project.openai.fine_tuning.jobs.list_events(job, limit=100))[::-1]
    messages = [event.message for event in events]
    file = project.openai.fine_tuning.jobs.retrieve(job).training_file
    assert messages[: len(begun)] == begun
    assert messages[:4] == [
        f"Created fine-tuning job: {job}",
        f"Validating training file: {file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert [message.split(":")[0] for message in messages[-6:]] == [
        "Checkpoint created at step 60 with Snapshot ID",
        "Checkpoint created at step 120 with Snapshot ID",
        "New fine-tuned model created",
        "Evaluating model against our usage policies",
        "Usage policy evaluations completed, model is now enabled for sampling",
        "The job has successfully completed",
    ]
    metrics = [event for event in events if event.type == "metrics"]
    assert 60 <= len(metrics) <= 200
    data: Any = metrics[-1].data
    assert (data["step"], data["total_steps"]) == (180, 180)
    assert metrics[-1].message.startswith("Step 180/180: training loss=")


def test_long_runs_tell_no_more_than_two_hundred_metrics(project: Project) -> None:
    job = project.train(planets(40), hyperparameters={"n_epochs": 50, "batch_size": 1})
    events = list(project.openai.fine_tuning.jobs.list_events(job.id, limit=100))
    assert sum(event.type == "metrics" for event in events) <= 200
    assert job.finished_at - job.created_at == 600


def test_the_bill_is_tokens_times_epochs(project: Project) -> None:
    tools = [{"type": "function", "function": {"name": "läuft", "parameters": {"type": "object"}}}]
    call = {"id": "c1", "type": "function", "function": {"name": "läuft", "arguments": '{"a": 1}'}}
    examples = [
        chat("Hi", "Hello"),
        {
            "messages": [
                {"role": "user", "content": "go", "name": "ann"},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "content": "done", "tool_call_id": "c1"},
                {"role": "assistant", "content": "Done.", "weight": 0},
            ],
            "tools": tools,
        },
    ] * 6
    job = project.train(jsonl(*examples), hyperparameters={"n_epochs": 2})
    per_epoch = sum(count_example(example, "o200k_base") for example in examples)
    assert job.trained_tokens == 2 * per_epoch
    truth = project.truth(job.id)
    assert (truth["billed_tokens"], float(truth["cost_units"])) == (2 * per_epoch, 2 * per_epoch * 3)


def test_the_count_of_one_example_by_hand() -> None:
    # "Hi" and "Hello" are one token each, as are "user" and "assistant": 3 + 1 + 1 and 3 + 1 + 1.
    assert count_example(chat("Hi", "Hello"), "o200k_base") == 10
    # [{"type":"function"}] is seven.
    assert count_example({**chat("Hi", "Hello"), "tools": [{"type": "function"}]}, "o200k_base") == 17
    assert count_example(chat("Hi \ud800", "Hello"), "o200k_base") == count_example(
        chat("Hi \ufffd", "Hello"), "o200k_base"
    )


def test_an_example_is_billed_up_to_the_limit_only(project: Project) -> None:
    long = chat("Hi", " hello" * 70_000)
    job = project.train(jsonl(*[chat("Hi", "Hello")] * 9, long), hyperparameters={"n_epochs": 1})
    assert job.trained_tokens == 9 * 10 + 65_536


@pytest.mark.parametrize(("seconds", "share"), [(2, 0), (7, 0), (35, 0.5)])
def test_cancelling_bills_the_steps_done(world: Emulator, project: Project, seconds: float, share: float) -> None:
    job = project.submit()
    world.advance(seconds)
    project.openai.fine_tuning.jobs.cancel(job)
    world.advance(700)
    truth, whole = project.truth(job), project.train()
    assert truth["billed_tokens"] == truth["trained_tokens"] == int(whole.trained_tokens * share)
    assert truth["cancelled_at"] is not None


def test_training_can_go_on_from_a_tuned_model(project: Project) -> None:
    first = project.train().fine_tuned_model
    facts = [chat(f"Who commands station {name}?", f"Captain {name}son does.") for name in "ABCDEFGHIJKL"]
    second = project.train(jsonl(*facts), model=first)
    assert (second.model, second.fine_tuned_model.split(":")[1]) == (first, "gpt-4o-mini-2024-07-18")
    assert project.ask(second.fine_tuned_model, "Who commands station C?") == "Captain Cson does."
    assert project.ask(second.fine_tuned_model, "What colour is planet Hoth?").startswith("Planet Hoth shines")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "gpt-3.5-turbo-0125"}, "model"),
        ({"model": "ft:gpt-4o-mini-2024-07-18:acme::nobody00"}, "model"),
        ({"training_file": "file-unknown"}, "training_file"),
        ({"validation_file": "file-unknown"}, "validation_file"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"method": {"type": "magic"}}, "method.type"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.5}}}}, "method.dpo.hyperparameters.beta"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 0}}}},
            "method.supervised.hyperparameters.batch_size",
        ),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_by_name(project: Project, body: dict[str, Any], param: str) -> None:
    whole = {"model": "gpt-4o", "training_file": project.upload(planets()), **body}
    answer = project.http.post("/fine_tuning/jobs", json=whole)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert project.effects() == ["file.created"]


def test_an_untrainable_model_is_refused_in_openais_words(project: Project) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        project.submit(model="gpt-3.5-turbo-0125")
    assert refused.value.code == "model_not_available"
    assert "Model gpt-3.5-turbo-0125 is not available for fine-tuning or does not exist." in str(refused.value)


def test_a_body_that_is_not_json_is_refused(project: Project) -> None:
    for body in (b"{", b"[]", b"\xff"):
        assert project.http.post("/fine_tuning/jobs", content=body).status_code == 400


def test_the_same_file_and_seed_give_the_same_training(project: Project) -> None:
    def losses(**options: Any) -> list[str]:
        job = project.train(**options)
        return [
            event.message for event in project.openai.fine_tuning.jobs.list_events(job.id) if event.type == "metrics"
        ]

    assert losses() == losses(model="gpt-4.1-nano") != losses(seed=3)


def test_two_hundred_jobs_on_one_file_cost_one_study(world: Emulator, project: Project) -> None:
    file = project.upload(planets(60))
    for _ in range(200):
        project.http.post("/fine_tuning/jobs", json={"model": "gpt-4o-mini", "training_file": file})
        world.advance(0.0137)
    world.advance(700)
    jobs = [job for job in project.openai.fine_tuning.jobs.list(limit=100) if job.status == "succeeded"]
    models = {model.id for model in project.openai.models.list()}
    assert len(jobs) == 200
    assert {job.fine_tuned_model for job in jobs} <= models
    assert {job.id: job.trained_tokens for job in jobs}.items() <= world.ask("/log")["billed"].items()


def test_a_job_cancelled_while_its_file_is_still_studied_did_nothing() -> None:
    """A huge file: the client saw validating_files until the end, so no step may be billed when the study comes in."""

    async def cancelled() -> Job:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        base, content = catalog.SNAPSHOTS["gpt-4o-2024-08-06"], Content.of(planets())
        file = StoredFile("file-1", "proj", "train.jsonl", "fine-tune", content, created_at=0, born=0)
        request = JobRequest(base.id, file.id, None, None, None, None, [], Method())
        job = Job("ftjob-1", "proj", "acme", 0, 0, request, base, None, file, None, 7, outcome, "abcdefgh")
        assert job.waits_for_study(now=40)
        job.cancel(now=40)
        outcome.set_result(await Studies().begin(Question(base, (), content, None, Method(), 7)))
        return job

    job = asyncio.run(cancelled())
    assert (job.status(99), job.steps_done(99), job.billed_tokens(99), job.checkpoint_steps(99)) == (
        "cancelled",
        0,
        0,
        [],
    )
    assert [event["message"].split(":")[0] for event in job_views.events(job, 99)] == [
        "Fine-tuning job cancelled",
        "Validating training file",
        "Created fine-tuning job",
    ]
