"""What the steps of preparing make together: for completions, for chat, and whatever is accepted."""

import json
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.rules.preparing import CannotBePrepared, UnknownStep, gathering, recipe_of
from tests.datasets.prepared import PC, UNLIKE, Pairs, code_of, findings, made, optional, pairs_made, table


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


@given(hashes=st.lists(st.integers(0, 9), max_size=30))
def test_what_was_there_before_is_found_in_pieces(hashes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "_PIECE", 4)
        again = gathering.repeated(array("Q", hashes)).tolist()
    assert again == [at for at, one in enumerate(hashes) if one in hashes[:at]]


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
