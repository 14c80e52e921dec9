"""Each rule, broken on a line we know."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from service.datasets.rules.problems import KEPT_PER_CODE, LINE_BYTES_MAX, RULES, Severity
from service.datasets.rules.report import Limit
from tests.datasets.chat import COUNTERS, ERRAND, O200K, SKETCH, TALK, changed, file_of, found, good, line, read

Change = Callable[[dict[str, Any]], object]


def message(index: int, **fields: Any) -> Change:
    return lambda example: example["messages"][index].update(fields)


def without(index: int, key: str) -> Change:
    return lambda example: example["messages"][index].pop(key)


def function(**fields: Any) -> Change:
    return lambda example: example["messages"][1]["tool_calls"][0]["function"].update(fields)


def call(**fields: Any) -> Change:
    return lambda example: example["messages"][1]["tool_calls"][0].update(fields)


def tool(**fields: Any) -> Change:
    return lambda example: example["tools"][0].update(fields)


def image(**fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "https://example.com/a.png", **fields}}


CASES: list[tuple[str, str, dict[str, Any], Change]] = [
    ("missing_messages", "", TALK, lambda e: e.pop("messages")),
    ("wrong_type", "/messages", TALK, lambda e: e.update(messages="hello")),
    ("empty_messages", "/messages", TALK, lambda e: e.update(messages=[])),
    ("unknown_key", "/source", TALK, lambda e: e.update(source="wiki")),
    ("wrong_type", "/parallel_tool_calls", TALK, lambda e: e.update(parallel_tool_calls="yes")),
    ("no_assistant_message", "/messages", TALK, lambda e: e["messages"].pop()),
    ("last_message_not_assistant", "/messages/3", TALK, lambda e: e["messages"].append(e["messages"][1])),
    ("nothing_to_learn", "/messages", TALK, message(2, weight=0)),
    ("wrong_type", "/messages/1", TALK, lambda e: e["messages"].__setitem__(1, "hello")),
    ("missing_key", "/messages/1", TALK, without(1, "role")),
    ("unknown_role", "/messages/2/role", ERRAND, message(2, role="observer")),
    ("wrong_type", "/messages/1/name", TALK, message(1, name=7)),
    ("missing_key", "/messages/1", TALK, message(1, role="function")),
    ("weight_not_assistant", "/messages/1/weight", TALK, message(1, weight=1)),
    ("weight_not_0_or_1", "/messages/2/weight", TALK, message(2, weight=0.5)),
    ("weight_not_0_or_1", "/messages/2/weight", TALK, message(2, weight=True)),
    ("missing_content", "/messages/1", TALK, without(1, "content")),
    ("missing_content", "/messages/2", TALK, message(2, content=None)),
    ("empty_content", "/messages/2/content", TALK, message(2, content="")),
    ("wrong_type", "/messages/1/content", TALK, message(1, content={"text": "hello"})),
    ("unknown_part", "/messages/1/content/0", TALK, message(1, content=[{"type": "input_audio"}])),
    ("wrong_type", "/messages/1/content/0/text", TALK, message(1, content=[{"type": "text", "text": 1}])),
    ("image_not_user", "/messages/2/content/0", TALK, message(2, content=[image()])),
    ("image_url_invalid", "/messages/1/content/0/image_url/url", TALK, message(1, content=[image(url="C:\\a.png")])),
    ("wrong_type", "/messages/1/content/0/image_url/detail", TALK, message(1, content=[image(detail="medium")])),
    ("too_many_images", "/messages", TALK, message(1, content=[image()] * 11)),
    ("unknown_key", "/messages/1/mood", TALK, message(1, mood="calm")),
    ("unknown_key", "/messages/1/refusal", TALK, message(1, refusal="no")),
    ("wrong_type", "/messages/2/refusal", TALK, message(2, refusal=7)),
    ("wrong_type", "/tools", ERRAND, lambda e: e.update(tools={"type": "function"})),
    ("wrong_type", "/tools/1", ERRAND, lambda e: e["tools"].append("weather")),
    ("not_a_function", "/tools/0/type", ERRAND, tool(type="retrieval")),
    ("wrong_type", "/tools/1/function", ERRAND, lambda e: e["tools"].append({"type": "function"})),
    ("wrong_type", "/tools/0/function/parameters", ERRAND, tool(function={"name": "weather", "parameters": "{}"})),
    ("wrong_type", "/tools/0/function/description", ERRAND, tool(function={"name": "weather", "description": 1})),
    ("function_name_format", "/tools/1/function/name", ERRAND,
     lambda e: e["tools"].append({"type": "function", "function": {"name": "look out!"}})),
    ("wrong_type", "/functions", TALK, lambda e: e.update(functions="weather")),
    ("too_many_functions", "/functions", TALK, lambda e: e.update(functions=[])),
    ("missing_key", "/functions/0", TALK, lambda e: e.update(functions=[{"description": "no name"}])),
    ("wrong_type", "/messages/1/tool_calls/0", ERRAND, message(1, tool_calls=["weather"], content="Let me see.")),
    ("missing_key", "/messages/1/tool_calls/0/function", ERRAND, function(name="")),
    ("not_a_function", "/messages/1/tool_calls/0/type", ERRAND, call(type="code")),
    ("missing_key", "/messages/1/tool_calls/0/function", ERRAND, function(arguments=None)),
    ("wrong_type", "/messages/1/tool_calls/0/function/arguments", ERRAND, function(arguments={"place": "Brest"})),
    ("arguments_not_json", "/messages/1/tool_calls/0/function/arguments", ERRAND, function(arguments="{place: Brest}")),
    ("arguments_double_encoded", "/messages/1/tool_calls/0/function/arguments", ERRAND,
     function(arguments=json.dumps('{"place": "Brest"}'))),
    ("arguments_not_an_object", "/messages/1/tool_calls/0/function/arguments", ERRAND, function(arguments="[1]")),
    ("undeclared_tool", "/messages/1/tool_calls/0/function/name", ERRAND, function(name="tide")),
    ("undeclared_tool", "/messages/1/tool_calls/0/function/name", ERRAND, lambda e: e.pop("tools")),
    ("missing_key", "/messages/2", ERRAND, without(2, "tool_call_id")),
    ("tool_answers_no_call", "/messages/2/tool_call_id", ERRAND, message(2, tool_call_id="c9")),
    ("tool_call_unanswered", "/messages/1/tool_calls/0", ERRAND, lambda e: e["messages"].pop(2)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "pointer", "example", "change"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_a_fault_is_found_on_its_line_and_at_its_place(code: str, pointer: str, example: Any, change: Change) -> None:
    lines = good()
    lines[41] = changed(example, change)
    report = read(file_of(lines))
    assert (42, pointer, code) in found(report)
    assert {problem.line for problem in report.problems} == {42}
    assert report.is_ready == all(problem.severity is Severity.WARNING for problem in report.problems)


@pytest.mark.parametrize(
    ("code", "broken"),
    [
        ("invalid_json", line(TALK)[:-2]),
        ("invalid_json", line(TALK) + b" trailing"),
        ("invalid_json", line(TALK).replace(b'"messages"', b"'messages'")),
        ("invalid_json", b'{"messages": NaN}'),
        ("invalid_json", b'{"messages": ' + b"9" * 5000 + b"}"),
        ("invalid_utf8", line(TALK).replace(b"light", b"l\xefght")),
        ("invalid_utf8", line(TALK).replace(b"light", b"l\xed\xa0\x80ght")),
        ("not_an_object", b"[1, 2]"),
        ("not_an_object", b'"hello"'),
        ("nested_too_deep", b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("line_too_long", b'{"messages": "' + b"a" * LINE_BYTES_MAX + b'"}'),
        ("empty_line", b""),
        ("empty_line", b" \t\r"),
        ("lone_surrogate", line(TALK).replace(b"light", b"\\ud83dlight")),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_rest_is_still_read(code: str, broken: bytes) -> None:
    lines = good()
    lines[41] = broken
    lines[50] = changed(TALK, message(1, weight=1))
    report = read(file_of(lines), chunk=100_000)
    assert found(report) == [(42, "", code), (51, "/messages/1/weight", "weight_not_assistant")]


def test_every_rule_can_be_broken() -> None:
    """The tests of this file break each; a rule nobody can break is dead."""
    broken = {code for code, *_ in CASES}
    elsewhere = {
        "byte_order_mark", "duplicate_key", "other_format", "empty_completion", "name_format", "image_format",
        "image_not_rgb", "image_too_large", "too_many_image_examples", "unsupported_format", "too_many_errors",
        "empty_file", "too_few_examples", "few_examples", "line_too_long", "invalid_utf8", "invalid_json",
        "nested_too_deep", "not_an_object", "empty_line", "lone_surrogate", "example_too_long",
        "ends_without_question", "whole_invalid", "empty_part", "too_many_classes",
    }  # fmt: skip
    assert broken | elsewhere == RULES.keys()


@pytest.mark.parametrize(
    "change",
    [
        message(2, weight=1),
        message(2, refusal=None, tool_calls=None, function_call=None),
        message(2, content=None, refusal="I may not say."),
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
        changed(ERRAND, function(name=secret, arguments=secret)),
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
