"""Files that are no training files end their jobs, in OpenAI's words."""

import json
from typing import Any

import openai
import pytest

from tests.emulator.world import REFERENCE, Project, chat, jsonl, planets

GOOD = [chat("Hi", "Hello")] * 10


def with_message(**message: Any) -> bytes:
    """Ten good examples and an eleventh whose second message is `message`."""
    return jsonl(*GOOD, {"messages": [{"role": "user", "content": "Hi"}, message]})


CASES = {
    "too few": (jsonl(*GOOD[:3]), "Training file has 3 example(s), but must have at least 10 examples"),
    "not JSON": (jsonl(*GOOD) + b"{not json\n", "Example 11 is not valid JSON"),
    "not UTF-8": (jsonl(*GOOD) + b'{"messages": "\xff"}\n', "Example 11 is not valid JSON"),
    "a list": (jsonl(*GOOD, []), "Example 11 is not a JSON object"),
    "no role": (with_message(content="x"), "Example 11, message 2 Discriminator 'role' is missing in value"),
    "a wrong role": (with_message(role="robot", content="x"), "Example 11, message 2 Input tag 'robot'"),
    "no content": (with_message(role="assistant"), "Example 11, message 2 field 'content' is required"),
    "a number as content": (with_message(role="assistant", content=3), "message 2 field 'content' must be"),
    "a weight of two": (with_message(role="assistant", content="x", weight=2), "message 2 field 'weight'"),
    "a weighty user": (with_message(role="user", content="x", weight=0), "message 2 field 'weight'"),
    "a tool without its call": (with_message(role="tool", content="x"), "message 2 field 'tool_call_id'"),
    "arguments not text": (
        with_message(role="assistant", tool_calls=[{"function": {"name": "f", "arguments": {}}}]),
        "message 2 field 'tool_calls'",
    ),
    "no assistant": (with_message(role="user", content="x"), "at least one message must have role 'assistant'"),
    "no messages": (jsonl(*GOOD, {"messages": []}), "Example 11, field 'messages' must be a non-empty list"),
    "another format": (jsonl({"question": "x"}), "Unexpected file format, expected either prompt/completion pairs or"),
    "pairs": (jsonl({"prompt": "x", "completion": "y"}), "is in the fine-tune-completion format"),
    "preferences": (
        jsonl({"input": {}, "preferred_output": [], "non_preferred_output": []}),
        "is in the fine-tune-preference format, but the specified fine-tuning job is not using 'dpo'",
    ),
}


@pytest.mark.parametrize(("data", "message"), CASES.values(), ids=CASES)
def test_a_bad_file_fails_the_job(project: Project, data: bytes, message: str) -> None:
    job = project.train(data)
    assert (job.status, job.fine_tuned_model, job.trained_tokens) == ("failed", None, None)
    assert message in job.error.message
    assert "{file}" not in job.error.message
    code = "invalid_n_examples" if message.startswith("Training file has") else "invalid_training_file"
    assert (job.error.code, job.error.param) == (code, "training_file")
    assert job.finished_at - job.created_at == 5
    newest = project.openai.fine_tuning.jobs.list_events(job.id).data[0]
    assert (newest.level, newest.message) == ("error", job.error.message)
    assert project.truth(job.id)["billed_tokens"] == 0


def test_a_bad_validation_file_fails_the_job_too(project: Project) -> None:
    job = project.train(validation_file=project.upload(b"{}\n"))
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_validation_file", "validation_file")


def test_a_byte_order_mark_and_blank_lines_are_forgiven(project: Project) -> None:
    assert project.train(b"\xef\xbb\xbf" + planets().replace(b"\n", b"\n\n")).status == "succeeded"


def test_unusual_but_valid_messages_pass(project: Project) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    unusual = {
        "messages": [
            {"role": "developer", "content": "Be kind. \ud800"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": ""},
            {"role": "assistant", "content": "A cat.", "weight": 1},
        ],
        "parallel_tool_calls": False,
    }
    assert project.train(jsonl(*[unusual] * 10)).status == "succeeded"


@pytest.mark.parametrize(
    ("name", "data", "purpose", "param"),
    [
        ("train.csv", b"a,b", "fine-tune", "file"),
        ("train.jsonl", b"", "fine-tune", "file"),
        ("train.jsonl", b"{}", "training", "purpose"),
    ],
)
def test_a_wrong_upload_is_refused_at_once(project: Project, name: str, data: bytes, purpose: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        project.openai.files.create(file=(name, data), purpose=purpose)
    assert refused.value.param == param
    assert project.effects() == []


def test_a_file_for_another_purpose_cannot_be_trained_on(project: Project) -> None:
    file = project.openai.files.create(file=("train.jsonl", planets()), purpose="user_data")
    with pytest.raises(openai.BadRequestError):
        project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id)


def test_a_file_may_expire(project: Project) -> None:
    file = project.openai.files.create(
        file=("train.jsonl", planets()), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    project.emulator.advance(3601)
    assert not project.openai.files.list().data


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sarcasm_qa.jsonl", "Unexpected file format"),
        ("selfinstruct_t0_ag_news_classify.jsonl", "fine-tune-completion format"),
        ("orca_dpo_pairs_validation.jsonl", "fine-tune-preference format"),
        ("toy_chat_fine_tuning.jsonl", "Training file has 5 example(s)"),
    ],
)
def test_files_of_others_in_other_formats_are_refused(project: Project, name: str, message: str) -> None:
    if not (REFERENCE / name).exists():
        pytest.skip(f"needs {name} in {REFERENCE}; set TUNEPLANE_REFERENCE_DATA")
    assert message in project.train((REFERENCE / name).read_bytes()).error.message


def test_a_chat_request_is_checked_like_a_file(project: Project) -> None:
    for messages in ([], [{"content": "x"}], [{"role": "user"}]):
        body = json.dumps({"model": "gpt-4o", "messages": messages})
        assert project.http.post("/chat/completions", content=body).status_code == 400


@pytest.mark.parametrize(
    "option",
    [{"max_tokens": "many"}, {"max_completion_tokens": 0}, {"stop": 5}, {"stop": [1]}, {"stream_options": "all"}],
)
def test_an_option_of_a_chat_request_that_is_wrong_is_refused_by_name(project: Project, option: dict[str, Any]) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], **option}
    answer = project.http.post("/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(option)))


def test_numbers_and_nesting_without_end_are_refused(project: Project) -> None:
    answers = [
        project.http.get(f"/fine_tuning/jobs?limit={'9' * 5_000}"),
        project.http.post("/fine_tuning/jobs", content=b"[" * 200_000),
        project.http.post("/fine_tuning/jobs", content=b'{"model":' * 200_000),
    ]
    assert [answer.status_code for answer in answers] == [400] * 3
