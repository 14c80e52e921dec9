"""Looking at examples: a sample, a line, those with a problem; what is seen of them and what is not."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import pytest

from service.datasets.rules import samples, showing
from service.provider import tokens
from tests.conftest import Launch
from tests.datasets.chat import ERRAND, TALK, changed, file_of, line
from tests.datasets.looking import Looker, looking

EMAIL: Final = "anna.lund@lighthouse-keepers.se"
CARD: Final = "4111 1111 1111 1111"
LINES: Final = 1_200  # about 200 KB: four ranges in a test
# Written down on the day this was made: a later version must draw the same.
SAMPLE_OF_SEED_7: Final = [
    174,
    204,
    224,
    369,
    400,
    456,
    500,
    513,
    549,
    621,
    643,
    676,
    678,
    718,
    728,
    818,
    976,
    1071,
    1073,
    1197,
]


@pytest.fixture(scope="module")
def looker(launch: Launch) -> Iterator[Looker]:
    with looking(launch) as found:
        yield found


def said(number: int, more: str = "") -> bytes:
    return changed(TALK, lambda e: e["messages"][1].update(content=f"When does light {number} turn? {more}"))


@pytest.fixture(scope="module")
def large(looker: Looker) -> str:
    """Line 100 has an address in it, 200 is no JSON, 300 is empty, 400 to 460 are the same as 4."""
    lines = [said(number) for number in range(1, LINES + 1)]
    lines[99] = said(100, f"Write to {EMAIL}.")
    lines[199] = b'{"messages": "' + EMAIL.replace("@", "\\u0040").encode() + b" " + b"x" * 3_000
    lines[299] = b""
    lines[399:460] = [lines[3]] * 61
    return looker.post(file_of(lines))


# ---------------------------------------------------------------------------------------------------------- one line
def test_a_line_comes_with_its_problems_and_its_tokens(looker: Looker, large: str) -> None:
    told = looker.told(large, "examples", line=100)
    (shown,) = told["data"]
    assert (told["lines"], told["has_more"], told["left_out"], shown["line"]) == (LINES, False, [], 100)
    content = f"When does light 100 turn? Write to {EMAIL}."
    at = content.index(EMAIL)
    assert shown["example"]["messages"][1]["content"] == "When does light 100 turn? Write to \u2039email\u203a."
    assert EMAIL not in json.dumps(told)
    (found,) = shown["problems"]
    assert (found["line"], found["pointer"], found["code"]) == (100, "/messages/1/content", "personal_email")
    assert found["message"].startswith(f"Characters {at} to {at + len(EMAIL)} ")
    count = tokens.counter("o200k_base")
    by_role = {
        one["role"]: 3 + count(one["role"]) + count(content if one["role"] == "user" else one["content"])
        for one in TALK["messages"]
    }
    assert shown["tokens"] == {
        "encoding": "o200k_base", "exact": True, "total": sum(by_role.values()), "by_role": by_role,
        "assistant": count("Every seven seconds."), "tools": 0, "images": 0,
    }  # fmt: skip


def test_tokens_are_counted_under_the_encoding_asked_for(looker: Looker, large: str) -> None:
    (shown,) = looker.told(large, "examples", line=1, encoding="cl100k_base")["data"]
    assert (shown["tokens"]["encoding"], shown["tokens"]["exact"]) == ("cl100k_base", True)
    assert shown["tokens"]["assistant"] == tokens.count("cl100k_base", "Every seven seconds.")


def test_a_line_that_is_no_json_is_shown_as_its_beginning(looker: Looker, large: str) -> None:
    (shown,) = looker.told(large, "examples", line=200)["data"]
    assert (shown["example"], shown["tokens"], shown["is_shortened"]) == (None, None, True)
    assert shown["text"].startswith('{"messages": "\u2039email\u203a xxx')
    assert len(shown["text"]) < showing.LINE_CHARS_MAX + 100
    assert [one["code"] for one in shown["problems"]] == ["invalid_json"]


def test_what_only_the_whole_file_shows_is_told_of_a_line_too(looker: Looker, large: str) -> None:
    (shown,) = looker.told(large, "examples", line=401)["data"]
    assert [(one["code"], one["message"]) for one in shown["problems"]] == [
        ("duplicate_example", "The same example as line 4.")
    ]


@pytest.mark.parametrize("number", [LINES + 1, 2**31 - 1])
def test_a_line_beyond_the_last_is_not_found(looker: Looker, large: str, number: int) -> None:
    answer = looker.ask(large, "examples", line=number)
    assert (answer.status_code, answer.json()["code"]) == (404, "line_not_found")
    assert str(LINES) in answer.json()["detail"]


# ------------------------------------------------------------------------------------------------------------ a sample
def test_a_sample_is_the_same_for_the_same_seed_for_ever(looker: Looker, large: str) -> None:
    told = looker.told(large, "examples", sample=20, seed=7)
    numbers = [one["line"] for one in told["data"]]
    assert numbers == SAMPLE_OF_SEED_7
    assert looker.told(large, "examples", sample=20, seed=7) == told
    assert [one["line"] for one in looker.told(large, "examples", sample=20, seed=8)["data"]] != numbers
    assert {one["line"] for one in looker.told(large, "examples", sample=40, seed=7)["data"]} > set(numbers)
    assert len(looker.told(large, "examples")["data"]) == 20  # what a page is without a word


def test_a_sample_passes_over_empty_lines_and_never_asks_for_more_than_there_are(looker: Looker) -> None:
    lines = [said(number) if number % 3 else b"" for number in range(60)]
    dataset = looker.post(file_of(lines))
    shown = looker.told(dataset, "examples", sample=100)["data"]
    assert [one["line"] for one in shown] == [number for number, line in enumerate(lines, 1) if line]


def test_every_line_is_drawn_once_and_about_as_often() -> None:
    assert sorted(samples.drawn(3, 500)) == list(range(1, 501))
    drawn = Counter(number for seed in range(400) for number in islice(samples.drawn(seed, 10), 3))
    assert all(80 < times < 160 for times in drawn.values())


# ------------------------------------------------------------------------------------------------- those with a problem
def test_lines_with_a_problem_are_paged(looker: Looker, large: str) -> None:
    seen: list[int] = []
    after: dict[str, Any] = {}
    while True:
        told = looker.told(large, "examples", code="duplicate_example", limit=25, **after)
        seen += [one["line"] for one in told["data"]]
        after = {"after": told["last_id"]}
        if not told["has_more"]:
            break
    assert seen == list(range(400, 461))


def test_a_line_with_the_same_problem_twice_is_shown_once(looker: Looker) -> None:
    two = said(1, f"{EMAIL} {CARD} second@{EMAIL.split('@')[1]}")
    dataset = looker.post(file_of([two, *(said(number) for number in range(2, 20)), said(20, EMAIL)]))
    assert [one["line"] for one in looker.told(dataset, "examples", code="personal_email")["data"]] == [1, 20]
    first = looker.told(dataset, "examples", code="personal_email", limit=1)
    assert ([one["line"] for one in first["data"]], first["has_more"]) == ([1], True)
    (shown,) = first["data"]
    assert [one["code"] for one in shown["problems"]] == ["personal_email", "personal_card", "personal_email"]
    assert "\u2039email\u203a \u2039card\u203a \u2039email\u203a" in shown["example"]["messages"][1]["content"]


def test_a_code_that_nothing_has_shows_nothing(looker: Looker, large: str) -> None:
    told = looker.told(large, "examples", code="no_such_code")
    assert (told["data"], told["has_more"]) == ([], False)


# ------------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"sample": 5, "line": 5}, (422, "examples_ambiguous")),
        ({"sample": 101}, (422, "invalid_request")),
        ({"sample": 0}, (422, "invalid_request")),
        ({"line": 0}, (422, "invalid_request")),
        ({"seed": -1}, (422, "invalid_request")),
        ({"encoding": "utf-8"}, (422, "invalid_request")),
        ({"code": "duplicate_example", "limit": 101}, (422, "invalid_request")),
        ({"code": "duplicate_example", "after": "0.7"}, (404, "cursor_not_found")),
        ({"code": "duplicate_example", "after": "99.1"}, (404, "cursor_not_found")),
        ({"code": "duplicate_example", "after": "x"}, (404, "cursor_not_found")),
    ],
)
def test_what_cannot_be_shown_is_refused(
    looker: Looker, large: str, query: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert looker.refused(large, "examples", **query) == refusal


def test_a_dataset_that_is_not_checked_shows_nothing(looker: Looker) -> None:
    made = looker.team.member.post("/v1/datasets", content=file_of([said(1)] * 10),
                                   headers={"Content-Type": "application/jsonl"})  # fmt: skip
    assert looker.refused(made.json()["id"], "examples") == (409, "dataset_not_validated")


# --------------------------------------------------------------------------------------------------- what may be seen
def test_everything_in_an_example_is_masked_wherever_it_stands(looker: Looker) -> None:
    def fill(example: dict[str, Any]) -> None:
        example["messages"][0]["content"] = [{"type": "text", "text": EMAIL}]
        example["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"to": EMAIL})
        example["messages"][2]["tool_call_id"] = EMAIL
        example["tools"][0]["function"]["description"] = EMAIL
        example["metadata"] = {EMAIL: [EMAIL, int(CARD.replace(" ", ""))]}

    dataset = looker.post(file_of([changed(ERRAND, fill)] * 12))
    (shown,) = looker.told(dataset, "examples", line=3)["data"]
    seen = json.dumps(shown)
    assert EMAIL not in seen
    assert CARD.replace(" ", "") not in seen
    assert shown["example"]["metadata"] == {"\u2039email\u203a": ["\u2039email\u203a", "\u2039card\u203a"]}


def test_other_formats_are_shown_as_text(looker: Looker) -> None:
    dataset = looker.post(f"name,mail\nAnna,{EMAIL}\n".encode() * 5)
    (shown,) = looker.told(dataset, "examples", line=2)["data"]
    assert (shown["text"], shown["example"], shown["problems"]) == ("Anna,\u2039email\u203a", None, [])


def test_long_strings_are_cut_and_say_so() -> None:
    text = "x" * (showing.STRING_CHARS_MAX - 5) + f" {EMAIL} and more"
    shown = showing.shown({"a": [text], "b": 1.5, "c": None, "d": True})
    assert shown.is_shortened
    assert EMAIL[:5] not in shown.value["a"][0]
    assert shown.value["a"][0].endswith("more characters\u203a")
    image = showing.shown("data:image/png;base64," + "A" * 5_000)
    assert image.value == "data:image/png;base64,\u2026 \u20395,000 more characters\u203a"
    assert showing.shown("\ud83d").value == "\ufffd"
    assert showing.shown({EMAIL: 1, f"x{EMAIL}": 2}).value == {"\u2039email\u203a": 1, "\u2039email\u203a\u2032": 2}


def test_showing_a_line_of_many_values_holds_little_more_than_them() -> None:
    value = [0] * 200_000
    tracemalloc.start()
    try:
        assert showing.shown(value).value == value
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_of_a_line_a_thousand_problems_are_shown(looker: Looker) -> None:
    dataset = looker.post(file_of([b'{"messages": [' + b"0," * 4_999 + b"0]}", *[line(TALK)] * 12]))
    (shown,) = looker.told(dataset, "examples", line=1)["data"]
    assert len(shown["problems"]) == 1_000


def test_an_answer_has_room_for_so_much(looker: Looker) -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo" + "A" * 3_000_000
    part = {"type": "image_url", "image_url": {"url": image}}

    def see(example: dict[str, Any]) -> None:
        example["messages"][1]["content"] = [{"type": "text", "text": "What is it?"}, part]

    dataset = looker.post(file_of([changed(TALK, see)] * 5 + [line(TALK)] * 7))
    told = looker.told(dataset, "examples", sample=12)
    assert ([one["line"] for one in told["data"]], told["left_out"]) == ([1, 2], list(range(3, 13)))
    (last,) = looker.told(dataset, "examples", line=5)["data"]
    assert last["example"]["messages"][1]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,\u2026")
