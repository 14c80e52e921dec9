"""The steps of preparing: each of the legacy tool's (openai.md §4.2), what it would change, and what it makes."""

import csv
import io
import json
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.rules.preparing import CannotBePrepared, Columns, UnknownStep, Wish, examine, prepared, recipe_of
from service.datasets.rules.preparing.gathering import STOPS
from service.datasets.rules.preparing.steps import NECESSARY

PC = "prompt_completion"
Pairs = Sequence[tuple[str, str]]


def table(pairs: Pairs, header: Sequence[str] = ("prompt", "completion")) -> bytes:
    kept = io.StringIO()
    csv.writer(kept).writerows([header, *pairs])
    return kept.getvalue().encode()


def findings(content: bytes, *, to: str = PC, filename: str = "x.csv", **wish: Any) -> dict[str, Any]:
    return examine(lambda: [content], filename, Wish(to, **wish)).as_json()


def made(
    content: bytes, *, to: str = PC, accept: Collection[str] | None = None, system: str | None = None, **how: Any
) -> list[Any]:
    """What the accepted steps make; without any named, all of them."""
    found = findings(content, to=to, **how)
    names = [step["id"] for step in found["steps"]] if accept is None else accept
    recipe = recipe_of(found, to=to, system_sha256=None, accept=names)
    return [json.loads(line) for line in prepared(recipe, lambda: [content], system=system)]


def pairs_made(content: bytes, accept: Collection[str], **how: Any) -> list[tuple[str, str]]:
    return [(one["prompt"], one["completion"]) for one in made(content, accept=accept, **how)]


def optional(content: bytes, **how: Any) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in findings(content, **how)["steps"] if step["kind"] != NECESSARY}


def code_of(content: bytes, **how: Any) -> str:
    with pytest.raises(CannotBePrepared) as raised:
        findings(content, **how)
    return raised.value.code


# Different prompts and completions, with no beginning or end in common.
UNLIKE = [("x 0", "0 y"), ("z 1", "1 w"), ("q 2", "2 p"), ("m 3", "3 n")]


def test_the_file_itself_says_nothing_but_numbers() -> None:
    """Neither findings nor recipe hold any text of the rows."""
    secret = "canary-4711"
    content = table([(f"{secret} {n} {secret}", f"{secret} {n} {secret}") for n in range(30)])
    for to in ("chat", PC):
        found = findings(content, to=to)
        accepted = recipe_of(found, to=to, system_sha256=None, accept=[step["id"] for step in found["steps"]])
        assert secret not in json.dumps([found, accepted])


# ------------------------------------------------------------------------------------------------ the steps, 1 to 13
def test_1_few_examples_are_noted() -> None:
    assert [note["code"] for note in findings(table(UNLIKE))["notes"]] == ["few_examples"]
    many = [(f"{n} q{n}", f"{n} a{n % 60}{'xyz'[n % 3]}") for n in range(100)]
    assert "few_examples" not in [note["code"] for note in findings(table(many))["notes"]]


def test_2_columns_become_prompt_and_completion() -> None:
    found = findings(table(UNLIKE, ("Prompt", "Completion")))
    assert [step["id"] for step in found["steps"]][:2] == ["convert", "rename_columns"]
    assert "rename_columns" not in [step["id"] for step in findings(table(UNLIKE))["steps"]]
    assert code_of(b"a,b,c\n1,2,3\n") == "columns_unclear"


def test_3_other_columns_are_left_out_and_those_with_like_names_noted() -> None:
    content = b"id,prompt,completion,completion_2\n1,a,b,c\n2,d,e,f\n"
    found = findings(content)
    assert "drop_columns" in [step["id"] for step in found["steps"]]
    assert [note["message"] for note in found["notes"]][1:] == [
        "Column 4 is left out, but its name is like a needed one's."
    ]
    assert pairs_made(content, ()) == [("a", "b"), ("d", "e")]
    assert pairs_made(content, (), columns=Columns("id", 4)) == [("1", "c"), ("2", "f")]


def test_4_rows_without_a_completion_go_and_empty_prompts_stay() -> None:
    content = table([("a", ""), ("b", "c"), ("", "d"), ("e", "  ")])
    (step,) = [step for step in findings(content)["steps"] if step["id"] == "remove_empty"]
    assert (step["kind"], step["rows"], step["first"]) == ("necessary", 2, [2, 5])
    assert pairs_made(content, ()) == [("b", "c"), ("", "d")]


@pytest.mark.parametrize(
    ("pairs", "task", "classes"),
    [
        ([("", "a"), ("", "b")], "open_ended", None),
        ([("a", "1"), ("b", "1"), ("c", "2"), ("d", "2"), ("e", "1"), ("f", "1"), ("g", "1")], "classification", 2),
        ([("a", "1"), ("b", "1"), ("c", "2"), ("d", "2"), ("e", "1"), ("f", "1")], "conditional", None),
    ],
)
def test_5_the_task_is_guessed(pairs: Pairs, task: str, classes: int | None) -> None:
    advice = findings(table(pairs))["advice"]
    assert (advice["task"], advice["classes"]) == (task, classes)


def test_6_repeated_rows_are_offered_to_go() -> None:
    content = table([*UNLIKE, UNLIKE[0], UNLIKE[1], UNLIKE[0]])
    step = optional(content)["remove_duplicates"]
    assert (step["rows"], step["first"]) == (3, [6, 7, 8])
    assert pairs_made(content, ["remove_duplicates"]) == UNLIKE
    assert len(pairs_made(content, ())) == 7


def test_7_long_rows_are_offered_to_go_and_lines_never_shift() -> None:
    long = ("p" * 5_000, "c" * 5_001)
    content = table([UNLIKE[0], UNLIKE[0], long, *UNLIKE[1:]])
    steps = optional(content)
    assert (steps["remove_long"]["rows"], steps["remove_long"]["first"]) == (1, [4])
    assert pairs_made(content, ["remove_duplicates", "remove_long"]) == UNLIKE
    assert "remove_long" not in optional(table([*UNLIKE, ("p" * 5_000, "c" * 5_000)]))
    assert "remove_long" not in optional(table([("", "c" * 10_001), ("", "d")]))  # open-ended


@pytest.mark.parametrize(("text", "is_offered"), [("ABcd", True), ("Abcd", False), ("ÀÈij", True)])
def test_8_capitals_are_offered_to_become_small(text: str, is_offered: bool) -> None:
    content = table([(f"{text} 1", "no 1"), (f"{text} 2", "yes 2"), ("7", "3")])
    assert ("lower_prompt" in optional(content)) is is_offered
    content = table([("no 1", f"{text} 1"), ("yes 2", f"2 {text}"), ("ok 3", "3")])
    assert ("lower_completion" in optional(content)) is is_offered
    if is_offered:
        assert pairs_made(content, ["lower_completion"])[0] == ("no 1", f"{text.lower()} 1")


def test_9_a_separator_is_offered_that_no_prompt_has() -> None:
    assert optional(table(UNLIKE))["add_separator"]["text"] == " ->"
    assert optional(table([*UNLIKE, ("two\nlines", "r")]))["add_separator"]["text"] == "\n\n###\n\n"
    assert optional(table([*UNLIKE, ("a -> b", "r")]))["add_separator"]["text"] == "\n\n###\n\n"
    everything = " -> \n\n###\n\n \n\n===\n\n \n\n---\n\n \n\n===>\n\n \n\n--->\n\n "
    assert optional(table([*UNLIKE, (everything, "r")]))["add_separator"]["text"] == "\n\n### =>\n\n"
    assert pairs_made(table(UNLIKE), ["add_separator"])[0] == ("x 0 ->", "0 y")
    assert "add_separator" not in optional(table([("", "a"), ("", "b")]))
    assert code_of(table([("same", "a"), ("same", "b")])) == "prompts_identical"


def test_9_an_end_that_prompts_have_is_reported() -> None:
    separated = [(f"{prompt}\n\n###\n\n", completion) for prompt, completion in UNLIKE]
    found = findings(table(separated))
    assert "add_separator" not in [step["id"] for step in found["steps"]]
    assert found["advice"]["separator"] == {"text": "\n\n###\n\n", "characters": 7, "step": None}
    worded = [(f"{prompt} what is it?", completion) for prompt, completion in [*UNLIKE, ("r what is it? 9", "r")]]
    found = findings(table(worded))
    assert found["advice"]["separator"] == {"text": None, "characters": 12, "step": None}
    assert [(note["code"], note["first"]) for note in found["notes"]][1:] == [
        ("separator_long", []),
        ("separator_repeated", [6]),
    ]


def test_10_a_long_beginning_of_all_prompts_is_offered_to_go() -> None:
    content = table([(f"Instructions:{prompt}", completion) for prompt, completion in UNLIKE])  # 13
    assert optional(content)["remove_prompt_prefix"]["characters"] == 13
    assert pairs_made(content, ["remove_prompt_prefix"]) == UNLIKE
    twelve = table([(f"Instruction:{prompt}", completion) for prompt, completion in UNLIKE])
    assert "remove_prompt_prefix" not in optional(twelve)


@pytest.mark.parametrize(("prefix", "kept"), [("Label", ""), (" Label", " "), (" Lab", None), ("Lab:", None)])
def test_11_a_beginning_of_all_completions_is_offered_to_go_but_for_a_space(prefix: str, kept: str | None) -> None:
    content = table([(prompt, prefix + completion) for prompt, completion in UNLIKE])
    is_offered = len(prefix) >= 5
    assert ("remove_completion_prefix" in optional(content)) is is_offered
    if is_offered and kept is not None:
        assert [after for _, after in pairs_made(content, ["remove_completion_prefix"])] == [
            kept + completion for _, completion in UNLIKE
        ]


def test_11_nothing_is_offered_that_would_leave_an_answer_empty() -> None:
    content = table([("a", "label"), ("b", "label two"), ("c", "label three")])
    assert "remove_completion_prefix" not in optional(content)


def test_12_a_stop_is_offered_that_no_completion_has() -> None:
    assert optional(table(UNLIKE))["add_stop"]["text"] == "\n"
    texts = ["two\nlines", "a.", "an END"]
    for number, stop in enumerate(("\n", ".", " END", "***"), 0):
        used = [(f"p{n} {n}", text) for n, text in enumerate(texts[:number])]
        assert optional(table([*UNLIKE, *used]))["add_stop"]["text"] == stop
    assert optional(table([*UNLIKE, ("r", " ".join(STOPS) + "!")]))["add_stop"]["text"] == " [END]"
    assert pairs_made(table(UNLIKE), ["add_stop"])[0] == ("x 0", "0 y\n")
    assert code_of(table([("a", "same"), ("b", "same")])) == "completions_identical"
    classes = table([(f"{n}{n}", "ab"[n % 2]) for n in range(9)])
    assert "add_stop" not in optional(classes)
    ended = findings(table([(prompt, f"{completion} END") for prompt, completion in UNLIKE]))
    assert ended["advice"]["stop"] == {"text": " END", "characters": 4, "step": None}


def test_13_a_leading_space_is_offered() -> None:
    content = table([("a", "b"), ("c", " d")])
    step = optional(content)["add_space"]
    assert (step["rows"], step["first"]) == (1, [2])
    assert [after for _, after in pairs_made(content, ["add_space"])] == [" b", " d"]
    assert "add_space" not in optional(table([("a", " b"), ("c", " d")]))


# -------------------------------------------------------------------------------------------------- together, and chat
def test_all_steps_together_make_what_the_legacy_tool_made() -> None:
    content = table([("Q: WHAT IS IT, 1", "ANSWER 1 A"), ("Q: WHAT IS IT, 2", "ANSWER 2 B")])
    assert made(content) == [
        {"prompt": "1 ->", "completion": " 1 a\n"},
        {"prompt": "2 ->", "completion": " 2 b\n"},
    ]
    assert {step["id"] for step in findings(content)["steps"]} == {
        "convert", "remove_prompt_prefix", "lower_prompt", "add_separator", "remove_completion_prefix",
        "lower_completion", "add_stop", "add_space",
    }  # fmt: skip


def test_what_the_legacy_tool_made_becomes_chat_again() -> None:
    legacy = [(f"{prompt}\n\n###\n\n", f" {completion} lower END") for prompt, completion in UNLIKE]
    lines = "".join(json.dumps({"prompt": a, "completion": b}) + "\n" for a, b in legacy).encode()
    assert [*optional(lines, to="chat", filename="x.jsonl")] == ["remove_separator", "remove_stop", "trim"]
    assert made(lines, to="chat", filename="x.jsonl", system="Be kind.")[0] == {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "x 0"},
            {"role": "assistant", "content": "0 y lower"},
        ]
    }


def test_an_answer_without_a_question_has_no_user() -> None:
    assert made(b"one\n\ntwo\n", to="chat", filename="x.txt") == [
        {"messages": [{"role": "assistant", "content": "one"}]},
        {"messages": [{"role": "assistant", "content": "two"}]},
    ]


def test_data_that_needs_nothing_is_only_written_again() -> None:
    rows = [{"prompt": f"{prompt} ->", "completion": f" {completion}\n"} for prompt, completion in UNLIKE]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert findings(lines, filename="x.jsonl")["steps"] == []
    assert made(lines, filename="x.jsonl") == rows


def test_half_a_character_is_replaced_and_all_others_kept_as_they_are() -> None:
    lines = (
        '{"prompt": "\\ud83d", "completion": "ü \\ud83d\\ude00 \\u0000"}\n{"prompt": "", "completion": "ß"}'.encode()
    )
    assert pairs_made(lines, (), filename="x.jsonl") == [("\ufffd", "ü 😀 \x00"), ("", "ß")]


def test_a_recipe_takes_all_necessary_steps_and_no_unknown_one() -> None:
    found = findings(table([*UNLIKE, ("r", "")]))
    recipe = recipe_of(found, to=PC, system_sha256=None, accept=["add_stop", "add_separator"])
    assert [step["id"] for step in recipe["steps"]] == ["convert", "remove_empty", "add_separator", "add_stop"]
    assert recipe == recipe_of(found, to=PC, system_sha256=None, accept=["add_separator", "add_stop", "convert"])
    with pytest.raises(UnknownStep):
        recipe_of(found, to=PC, system_sha256=None, accept=["trim"])


def test_advice_for_two_classes_names_the_more_frequent_if_it_is_a_plain_label() -> None:
    advice = findings(table([(f"{n} {n}", "spam" if n % 3 else "ham") for n in range(50)]))["advice"]
    assert (advice["classes"], advice["positive_class"], advice["validation_count"]) == (2, "spam", 10)
    advice = findings(table([(f"{n} {n}", "my secret" if n % 3 else "ham") for n in range(50)]))["advice"]
    assert (advice["classes"], advice["positive_class"]) == (2, None)


def test_more_rows_than_can_be_trained_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.datasets.rules.preparing.sources.ROWS_MAX", 3)
    assert code_of(table(UNLIKE)) == "too_many_rows"
    assert code_of(table([])) == "no_rows"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=12)


@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), data=st.data())
def test_whatever_is_accepted_no_answer_is_lost_or_empty(pairs: Pairs, data: st.DataObject) -> None:
    lines = "".join(json.dumps({"prompt": a, "completion": b}) + "\n" for a, b in pairs).encode()
    to = data.draw(st.sampled_from(["chat", PC]))
    try:
        found = findings(lines, to=to, filename="x.jsonl")
    except CannotBePrepared:
        return
    names = [step["id"] for step in found["steps"]]
    accept = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    examples = made(lines, to=to, accept=accept, filename="x.jsonl")
    answers = [one.get("completion") or one["messages"][-1]["content"] for one in examples]
    assert all(answer.strip() for answer in answers)
    distinct = {pair for pair in pairs if pair[1].strip()}
    assert found["examples"] == sum(bool(b.strip()) for _, b in pairs)
    assert len(examples) == (len(distinct) if "remove_duplicates" in accept else found["examples"])
