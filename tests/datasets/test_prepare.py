"""The steps of preparing: each of the legacy tool's (openai.md §4.2), what it would change, and what it makes."""

import json

import pytest

from service.datasets.rules.preparing import Columns, recipe_of
from service.datasets.rules.preparing.gathering import STOPS
from tests.datasets.prepared import PC, UNLIKE, Pairs, code_of, findings, optional, pairs_made, table


def test_the_file_itself_says_nothing_but_numbers() -> None:
    """Neither findings nor recipe hold any text of the rows."""
    secret = "canary-4711"
    content = table([(f"{secret} {n} {secret}", f"{secret} {n} {secret}") for n in range(30)])
    for to in ("chat", PC):
        found = findings(content, to=to)
        accepted = recipe_of(found, to=to, system_sha256=None, accept=[step["id"] for step in found["steps"]])
        assert secret not in json.dumps([found, accepted])


def test_a_first_row_that_is_somebodys_data_is_no_header() -> None:
    content = table(UNLIKE, ("anna.lund@lighthouse-keepers.se", "answer"))
    assert findings(content)["source"]["columns"] == [None, "answer"]


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
