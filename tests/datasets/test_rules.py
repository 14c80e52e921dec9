"""What is allowed, what is counted, and what a report keeps. The faults are in test_corpus."""

import hashlib
import json
from base64 import b64encode
from typing import Any

import pytest

from emulator import tokens as emulator_tokens
from emulator import validation as emulator_validation
from service.datasets.rules import images
from service.datasets.rules.problems import IMAGE_BYTES_MAX, KEPT_PER_CODE
from service.datasets.rules.report import Limit
from tests.datasets.chat import COUNTERS, ERRAND, O200K, SKETCH, TALK, changed, file_of, found, good, line, read
from tests.datasets.corpus.faults import Change, image, message


@pytest.mark.parametrize(
    "change",
    [
        message(2, weight=1),
        message(2, refusal=None, tool_calls=None, function_call=None),
        message(2, content=None, refusal="I may not say."),
        message(2, content=[{"type": "refusal", "refusal": "I may not say."}]),
        message(1, name="keeper"),
        message(0, role="developer"),
        message(1, content=[{"type": "text", "text": "When?"}, image(detail="low")]),
        lambda e: e.update(parallel_tool_calls=False, tools=None),
    ],
)
def test_what_is_allowed_is_no_problem(change: Change) -> None:
    lines = good()
    lines[3] = changed(TALK, change)
    assert found(read(file_of(lines))) == []


def test_images_names_weights_and_the_functions_of_2023_are_understood() -> None:
    assert found(read(file_of([line(SKETCH)] * 60))) == []


@pytest.mark.parametrize(
    ("examples", "problems", "is_ready"),
    [
        (0, [(None, "", "empty_file")], False),
        (9, [(None, "", "too_few_examples")], False),
        (10, [(None, "", "few_examples")], True),
        (49, [(None, "", "few_examples")], True),
        (50, [], True),
    ],
)
def test_ten_examples_are_needed_and_fifty_advised(examples: int, problems: list[Any], is_ready: bool) -> None:
    report = read(file_of([line(TALK)] * examples))
    assert (found(report), report.is_ready, report.examples) == (problems, is_ready, examples)


def test_problems_are_capped_and_their_totals_exact() -> None:
    bad = changed(TALK, message(1, weight=1))
    report = read(file_of([bad] * 400 + good()))
    assert report.problem_totals == {"weight_not_assistant": 400}
    assert len(report.problems) == KEPT_PER_CODE
    assert (report.errors, report.warnings) == (400, 0)


def test_a_hopeless_file_is_not_checked_to_its_end_but_hashed() -> None:
    data = file_of([*good(20), *[b"0"] * 500])
    report = read(data, errors_max=100)
    assert report.problem_totals == {"not_an_object": 100, "too_many_errors": 1}
    assert "line 120" in report.problems[0].message
    assert (report.lines, report.examples, report.sha256) == (520, 120, hashlib.sha256(data).hexdigest())


def test_a_single_line_of_nothing_but_errors_is_not_read_to_its_end_either() -> None:
    report = read(file_of([*good(20), b'{"messages": [' + b"0," * 500 + b"0]}", *good(2)]), errors_max=100)
    assert report.problem_totals == {"wrong_type": 100, "too_many_errors": 1}
    assert (report.lines, report.examples, report.is_ready) == (23, 21, False)


def test_a_refusal_in_parts_is_billed_as_the_emulator_bills_it() -> None:
    example = changed(TALK, message(2, content=[{"type": "refusal", "refusal": "I may not say."}]))
    emulator_validation.check_example(json.loads(example), 1, "supervised")
    billed = emulator_tokens.count_example(json.loads(example), O200K)
    assert read(file_of([example] * 12)).tokens[0]["per_example"]["total"] == 12 * billed


@pytest.mark.parametrize("secret", ["AKIA" + "Q5ZT7LKJ3WN2B6XD", "212-55-4321", "4556737586899855"])
def test_what_is_confidential_is_no_label_however_short(secret: str) -> None:
    told = [message(1, role=secret), message(1, **{secret: 1})]
    report = read(file_of([changed(TALK, one) for one in told] + good()))
    assert [one.code for one in report.problems] == ["unknown_role", "unknown_key"]
    assert secret not in str(report.as_json())


@pytest.mark.parametrize("more", [0, 1, 2])
def test_an_image_may_have_ten_megabytes_to_the_byte(more: int) -> None:
    image = b64encode(b"\xff\xd8\xff\xe0" + bytes(IMAGE_BYTES_MAX - 4 + more)).decode()
    told = [code for code, _ in images.findings(f"data:image/jpeg;base64,{image}")]
    assert told == (["image_too_large"] if more else [])


def test_a_byte_order_mark_and_windows_line_ends_are_forgiven() -> None:
    data = b"\xef\xbb\xbf" + file_of(good()).replace(b"\n", b"\r\n")
    assert found(read(data)) == []


@pytest.mark.parametrize("chunk", [1, 7, 100, 1 << 20])
def test_how_the_bytes_are_cut_makes_no_difference(chunk: int) -> None:
    data = file_of(good(12))[:-1]
    assert read(data, chunk=chunk) == read(data, chunk=len(data))


def test_what_is_too_long_is_told_with_what_it_loses() -> None:
    lines = [*good(), changed(TALK, message(2, content="seven " * 500))]
    report = read(file_of(lines), limits=[Limit(O200K, 100), Limit(O200K, 65_536)])
    assert found(report) == [(61, "", "example_too_long")]
    short, long = report.billing
    assert report.tokens[0]["per_example"]["max"] == short.longest == long.longest > 500
    assert (short.truncated_examples, short.lost_tokens) == (1, short.longest - 100)
    assert (long.truncated_examples, long.lost_tokens) == (0, 0)
    assert long.billed_tokens - short.billed_tokens == short.lost_tokens
    assert str(short.lost_tokens) in report.problems[0].message


def test_no_text_of_the_file_comes_out_in_a_report() -> None:
    secret = "my canary secret"
    lines = good()
    lines += [
        changed(TALK, message(1, weight=secret)),
        changed(TALK, message(1, role=secret)),
        changed(TALK, lambda e: e["messages"][1].update({secret: 1})),
        changed(TALK, lambda e: e.update({secret: 1, "messages": secret})),
        changed(ERRAND, lambda e: e["messages"][1]["tool_calls"][0]["function"].update(name=secret, arguments=secret)),
        changed(ERRAND, message(2, tool_call_id=secret)),
        line({secret: secret}),
        line(secret),
        line(TALK)[:-1] + secret.encode(),
    ]
    report = read(file_of(lines))
    assert report.errors >= 8
    assert secret not in json.dumps(report.as_json())
    for foreign in ({secret: 1}, secret, [secret]):
        assert secret not in json.dumps(read(file_of([line(foreign)] * 20)).as_json())


def test_tokens_of_roles_tools_and_images_add_up_and_estimates_are_marked() -> None:
    report = read(file_of([line(TALK), line(ERRAND), line(SKETCH)] * 20))
    (told,) = report.tokens
    count = COUNTERS[O200K]
    texts = ["system", "You keep the light."]
    assert told["by_role"]["system"] == 20 * (3 + sum(map(count, texts)))
    assert told["by_role"].keys() == {"system", "developer", "user", "assistant", "tool", "function"}
    tools = json.dumps(ERRAND["tools"], separators=(",", ":"))
    assert told["estimated"] == {"tools": 20 * count(tools), "images": 20 * 85}
    assert sum(told["by_role"].values()) + sum(told["estimated"].values()) == told["per_example"]["total"]
    assert sum(one["examples"] for one in told["per_example"]["histogram"]) == 60


def test_the_notebook_counts_ids_and_three_for_each_example_but_no_calls() -> None:
    (told,) = read(file_of([line(ERRAND)] * 20)).tokens
    count = COUNTERS[O200K]
    words = [value for message in ERRAND["messages"] for value in message.values() if isinstance(value, str)]
    assert told["notebook"]["per_example"]["max"] == 3 + 3 * 4 + sum(map(count, words))
    assert told["notebook"]["assistant"]["max"] == count("It rains.")
