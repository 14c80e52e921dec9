"""Files that nothing can be trained on: each is refused by its name, once. Pairs and items, line by line."""

import gzip
import json
from typing import Any

import pytest

from service.datasets.rules.report import Report
from service.provider.tokens import counter
from tests.datasets.chat import TALK, file_of, found, good, line, read

GRADED = {"messages": [{"role": "user", "content": "2+2?"}], "answer": "4"}
PAIR: dict[str, Any] = {
    "input": {"messages": TALK["messages"][:2]},
    "preferred_output": [{"role": "assistant", "content": "Four."}],
    "non_preferred_output": [{"role": "assistant", "content": "Five."}],
}
FILES = {
    "chosen_rejected": file_of([line({"prompt": "2+2?", "chosen": "4", "rejected": "5"})] * 20),
    "question_answer": file_of([line({"question": "Why?", "answer": "Because."})] * 20),
    "instruction": file_of([line({"instruction": "Say", "input": "", "output": "x"})] * 20),
    "conversations": file_of([line({"conversations": [{"from": "human", "value": "Hi"}]})] * 20),
    "jsonl": file_of([line({"text": "once upon a time"})] * 20),
    "json": json.dumps([TALK] * 20).encode(),
    "csv": b"text,label\n" + b'"Is it on, or off?",status\nMy card,card\n' * 10,
    "tsv": b"id\ttext\tlabel\n" + b"1\tgood\tyes\n" * 10,
    "text": b"The light turns every seven seconds.\n" * 20,
    "xlsx": b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\n" + bytes(16) + b"[Content_Types].xml" + bytes(2000),
    "zip": b"PK\x03\x04" + bytes(2000),
    "gzip": gzip.compress(file_of(good())),
    "parquet": b"PAR1" + bytes(2000),
    "utf16": file_of(good()).decode().encode("utf-16"),
}


def refused(data: bytes) -> Report:
    report = read(data)
    assert found(report) == [(None, "", "unsupported_format")]
    assert (report.errors, report.is_ready, report.examples, report.billing) == (1, False, None, [])
    return report


@pytest.mark.parametrize("name", FILES)
def test_another_format_is_named_once_with_an_example_of_the_right_one(name: str) -> None:
    report = refused(FILES[name])
    assert report.format == name
    assert '{"messages": [{"role": "user"' in report.problems[0].message
    prepared = {"question_answer", "instruction", "jsonl", "json", "csv", "tsv", "text", "xlsx"}
    assert ("POST /v1/datasets/{id}/prepare" in report.problems[0].message) == (name in prepared)


def test_a_pretty_printed_document_is_named_too() -> None:
    for document in ([TALK] * 20, {"data": [TALK] * 20}):
        assert refused(json.dumps(document, indent=2).encode()).format == "json"


def test_unknown_objects_are_named_by_their_keys() -> None:
    report = refused(file_of([line({"headline": "a", "body": "b", "a whole sentence": 1})] * 20))
    assert "'headline', 'body'" in report.problems[0].message
    assert "sentence" not in report.problems[0].message


def test_a_line_of_another_format_in_a_chat_file_is_that_lines_problem() -> None:
    lines = good()
    lines[0] = line({"prompt": "Hi", "completion": "Hello"})
    lines[1] = b"not JSON"
    report = read(file_of(lines))
    assert report.format == "chat"
    assert (1, "", "other_format") in found(report)
    assert "prompt/completion" in report.problems[0].message
    assert (2, "", "invalid_json") in found(report)


def test_a_chat_file_in_which_every_line_is_broken_is_told_line_by_line() -> None:
    report = read(file_of([line(TALK)[:-1]] * 30))
    assert report.problem_totals["invalid_json"] == 30


def test_messages_without_an_answer_and_without_a_graders_keys_are_faulty_chat() -> None:
    report = read(file_of([line({"messages": TALK["messages"][:2]})] * 30))
    assert (report.format, report.problem_totals["no_assistant_message"]) == ("chat", 30)


def altered(example: dict[str, Any], **change: Any) -> list[tuple[str, str]]:
    """What is said about one line that differs from nineteen good ones."""
    report = read(file_of([line(example | change), *[line(example)] * 19]))
    assert {number for number, _, _ in found(report)} <= {None, 1}
    return [(pointer, code) for number, pointer, code in found(report) if number == 1]


def test_prompts_and_completions_are_read_and_cost_their_two_texts() -> None:
    report = read(file_of([line({"prompt": "Hi ->", "completion": " Hello"})] * 20))
    assert (report.format, report.examples, report.errors, report.is_ready) == ("prompt_completion", 20, 0, True)
    count = counter("o200k_base")
    (told,) = report.tokens
    assert report.billing[0].billed_tokens == 20 * (count("Hi ->") + count(" Hello"))
    assert (told["by_role"], told["notebook"]) == (
        {"completion": 20 * count(" Hello"), "prompt": 20 * count("Hi ->")},
        None,
    )
    assert (report.without_system, report.without_user) == (0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"completion": " "}, [("/completion", "empty_completion")]),
        ({"completion": ["Hello"]}, [("/completion", "wrong_type")]),
        ({"prompt": None}, [("/prompt", "wrong_type")]),
        ({"source": "x"}, [("/source", "unknown_key")]),
        ({"messages": TALK["messages"]}, [("", "other_format")]),
    ],
)
def test_what_is_wrong_with_a_completion_is_told_where_it_is(change: dict[str, Any], told: list[Any]) -> None:
    assert altered({"prompt": "Hi ->", "completion": " Hello"}, **change) == told


def test_preference_pairs_are_read_and_counted_with_both_answers() -> None:
    report = read(file_of([line(PAIR)] * 20))
    assert (report.format, report.examples, report.errors, report.is_ready) == ("preference", 20, 0, True)
    count = counter("o200k_base")
    spoken = [*TALK["messages"][:2], PAIR["preferred_output"][0], PAIR["non_preferred_output"][0]]
    each = sum(3 + count(message["role"]) + count(message["content"]) for message in spoken)
    assert report.billing[0].billed_tokens == 20 * each


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"preferred_output": []}, [("/preferred_output", "wrong_type")]),
        ({"non_preferred_output": [{"role": "user", "content": "?"}]}, [("/non_preferred_output", "wrong_type")]),
        ({"input": {"messages": []}}, [("/input/messages", "empty_messages")]),
        ({"input": "2+2?"}, [("/input", "wrong_type")]),
        (
            {"input": {"messages": [{"role": "boss", "content": "2+2?"}]}},
            [("/input/messages/0/role", "unknown_role")],
        ),
        ({"preferred_output": [{"role": "assistant"}]}, [("/preferred_output/0", "missing_content")]),
        ({"input": PAIR["input"] | {"tools": 1}}, [("/input/tools", "wrong_type")]),
        ({"note": "x"}, [("/note", "unknown_key")]),
    ],
)
def test_what_is_wrong_with_a_pair_is_told_where_it_is_and_once(
    change: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    assert altered(PAIR, **change) == told


def test_the_specifications_own_names_of_the_answers_are_not_those_of_the_service() -> None:
    report = read(file_of([line({"input": TALK, "preferred_completion": [], "non_preferred_completion": []})] * 20))
    assert report.format == "preference"
    assert report.problem_totals["missing_key"] == 40


def test_reinforcement_items_are_read_and_their_other_keys_are_the_graders() -> None:
    report = read(file_of([line(GRADED)] * 20))
    assert (report.format, report.examples, report.errors, report.is_ready) == ("reinforcement", 20, 0, True)
    assert report.billing[0].billed_tokens > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"messages": TALK["messages"]}, [(f"/messages/{len(TALK['messages']) - 1}", "ends_without_question")]),
        ({"messages": []}, [("/messages", "empty_messages")]),
        ({"messages": [{"role": "user"}]}, [("/messages/0", "missing_content")]),
    ],
)
def test_what_is_wrong_with_an_item_is_told_where_it_is(change: dict[str, Any], told: list[tuple[str, str]]) -> None:
    assert altered(GRADED, **change) == told
