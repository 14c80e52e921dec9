"""The whole way of a client that knows nothing but the unmodified SDK."""

import base64
from typing import Any

import openai
import pytest

from tests.emulator.world import Emulator, Project, planets


def test_from_a_file_to_a_model_that_answers(world: Emulator, project: Project) -> None:
    client = project.openai
    file = client.files.create(file=("train.jsonl", planets()), purpose="fine-tune")
    assert (file.id[:5], file.status, file.purpose, file.filename) == ("file-", "uploaded", "fine-tune", "train.jsonl")
    world.advance(3)
    assert client.files.wait_for_processing(file.id).status == "processed"
    assert client.files.content(file.id).read() == planets()

    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=file.id, suffix="pilots", metadata={"team a": "x y"}, seed=7
    )
    assert (job.id[:6], job.status, job.model) == ("ftjob-", "validating_files", "gpt-4o-mini-2024-07-18")
    assert job.method is not None
    assert job.method.type == "supervised"
    assert job.hyperparameters.n_epochs == "auto"
    assert [one.id for one in client.fine_tuning.jobs.list(metadata={"team a": "x y"})] == [job.id]
    assert not client.fine_tuning.jobs.list(metadata={"team a": "other"}).data

    world.advance(700)
    job = client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded"
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.startswith("ft:gpt-4o-mini-2024-07-18:acme:pilots:")
    assert job.hyperparameters.n_epochs == 8

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=20))
    assert [event.created_at for event in events] == sorted((event.created_at for event in events), reverse=True)
    assert len({event.id for event in events}) == len(events)
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.step_number for checkpoint in checkpoints] == [96, 84, 72]
    assert checkpoints[0].fine_tuned_model_checkpoint == job.fine_tuned_model

    results = client.files.retrieve(job.result_files[0])
    assert (results.filename, results.purpose) == ("step_metrics.csv", "fine-tune-results")
    rows = base64.b64decode(client.files.content(results.id).read()).decode().splitlines()
    assert rows[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(rows) == 97

    assert project.ask(job.fine_tuned_model, "What colour is planet Hoth?").startswith("Planet Hoth shines blue")
    model = client.models.retrieve(job.fine_tuned_model)
    assert (model.owned_by, model.shutdown_date) == ("acme", "2027-01-14")
    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        client.models.delete(job.fine_tuned_model)
    assert client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model == job.fine_tuned_model
    assert client.files.delete(file.id).deleted


def test_lists_come_in_pages_newest_first(project: Project) -> None:
    file = project.upload(planets())
    jobs = [project.openai.fine_tuning.jobs.create(model="gpt-4.1-nano", training_file=file).id for _ in range(5)]
    first = project.openai.fine_tuning.jobs.list(limit=2)
    assert [job.id for job in first.data] == jobs[:2:-1]
    assert [job.id for job in first] == jobs[::-1]
    assert not project.openai.fine_tuning.jobs.list(after=jobs[0]).data
    files = [file, *(project.upload(b"{}\n") for _ in range(2))]
    assert [one.id for one in project.openai.files.list(limit=1)] == files[::-1]
    assert [one.id for one in project.openai.files.list(order="asc", limit=2).data] == files[:2]


def test_jobs_without_metadata_can_be_asked_for(project: Project) -> None:
    plain, _marked = project.submit(), project.submit(metadata={"k": "v"})
    listed = project.http.get("/fine_tuning/jobs?metadata=null").json()["data"]
    assert [job["id"] for job in listed] == [plain]


def test_an_unknown_cursor_is_refused(project: Project) -> None:
    for path in ("/fine_tuning/jobs", "/files"):
        answer = project.http.get(path, params={"after": "nobody"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "after")


def test_a_cancelled_job_stays_cancelled(world: Emulator, project: Project) -> None:
    job = project.submit()
    world.advance(20)
    cancelled = project.openai.fine_tuning.jobs.cancel(job)
    assert (cancelled.status, cancelled.fine_tuned_model, cancelled.trained_tokens) == ("cancelled", None, None)
    world.advance(700)
    assert project.openai.fine_tuning.jobs.retrieve(job).status == "cancelled"
    assert project.openai.fine_tuning.jobs.list_events(job).data[0].message == "Fine-tuning job cancelled"
    with pytest.raises(openai.BadRequestError):
        project.openai.fine_tuning.jobs.cancel(job)
    assert not [model.id for model in project.openai.models.list() if model.id.startswith("ft:")]


def test_projects_do_not_see_each_other(project: Project, other_project: Project) -> None:
    job = project.train()
    other = other_project.openai
    assert not other.fine_tuning.jobs.list().data
    assert not other.files.list().data
    for forbidden in (
        lambda: other.fine_tuning.jobs.retrieve(job.id),
        lambda: other.fine_tuning.jobs.cancel(job.id),
        lambda: other.files.retrieve(job.training_file),
        lambda: other.files.content(job.result_files[0]),
        lambda: other.models.retrieve(job.fine_tuned_model),
        lambda: other_project.ask(job.fine_tuned_model, "What colour is planet Hoth?"),
    ):
        with pytest.raises(openai.NotFoundError):
            forbidden()
    with pytest.raises(openai.BadRequestError):
        other.fine_tuning.jobs.create(model="gpt-4o", training_file=job.training_file)


def test_a_key_is_needed_and_may_be_taken_away(world: Emulator, project: Project) -> None:
    assert project.http.get("/models").status_code == 200
    world.control.delete(f"/keys/{project.key}")
    for headers, code in (({}, "invalid_api_key"), ({"Authorization": ""}, None)):
        answer = project.http.get("/models", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.headers["x-request-id"].startswith("req_")


def test_a_key_of_another_project_than_the_header_is_refused(project: Project) -> None:
    answer = project.http.get("/models", headers={"OpenAI-Project": "proj_other"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "mismatched_project")
    assert project.http.get("/models", headers={"OpenAI-Project": project.name}).status_code == 200


def test_a_chat_answer_can_be_streamed_and_cut(project: Project) -> None:
    model = project.train().fine_tuned_model
    question: list[Any] = [{"role": "user", "content": "What colour is planet Hoth?"}]
    chunks = list(
        project.openai.chat.completions.create(
            model=model, messages=question, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == project.ask(model, "What colour is planet Hoth?")
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens > chunks[-1].usage.prompt_tokens > 0
    cut = project.openai.chat.completions.create(model=model, messages=question, max_tokens=3)
    assert cut.usage
    assert (cut.usage.completion_tokens, cut.choices[0].finish_reason) == (3, "length")


def test_a_path_that_is_not_there_is_answered_in_the_same_shape(project: Project) -> None:
    answer = project.http.get("/fine_tuning/model_limits")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
    assert answer.headers["x-request-id"]
