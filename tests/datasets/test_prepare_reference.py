"""Real tables and questions become datasets that can be trained on. See SOURCES.md beside them."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from service.datasets.rules import recipes, strata
from service.datasets.rules.preparing import CannotBePrepared, Wish, examine, recipe_of
from service.datasets.rules.splits import Part, Split
from tests.datasets.chat import read
from tests.datasets.test_reference import data

pytestmark = pytest.mark.reference


def prepared(name: str, to: str, *left_out: str) -> tuple[dict[str, Any], bytes]:
    """What was found, and the file that all steps but `left_out` make, read in pieces of an odd size."""
    content = data(name)

    def pieces() -> Iterator[bytes]:
        return (content[at : at + 65_521] for at in range(0, len(content), 65_521))

    found = examine(pieces, name, Wish(to)).as_json()
    accept = [step["id"] for step in found["steps"] if step["id"] not in left_out]
    recipe = recipe_of(found, to=to, system_sha256=None, accept=accept)
    once, again = (b"".join(recipes.made(recipe, read_, 0)) for read_ in (pieces, lambda: [content]))
    assert once == again
    return found, once


@pytest.mark.parametrize("to", ["chat", "prompt_completion"])
@pytest.mark.parametrize("fraction", ["0.1", "0.2", "0.333"])
def test_77_classes_are_valid_examples_and_cut_to_within_one_row_each(to: str, fraction: str) -> None:
    found, content = prepared("banking77_train.csv", to)
    assert (found["rows"], found["examples"], found["advice"]["classes"]) == (10_003, 10_003, 77)
    report = read(content)
    assert (report.format, report.examples, report.errors) == (to, 10_003, 0)
    split = Split(7, Decimal(fraction), None, by_answer=True)
    parts = [[*recipes.made(split.recipe(part), lambda: [content], 10_003)] for part in Part]
    assert parts == [[*recipes.made(split.recipe(part), lambda: [content], 10_003)] for part in Part]
    kept, held_out = (Counter(map(strata.class_of, lines)) for lines in parts)
    share = Fraction(fraction)
    assert len(kept | held_out) == 77
    for one, count in (kept + held_out).items():
        assert abs(held_out[one] - count * share) < 1
        assert abs(kept[one] - count * (1 - share)) < 1
    assert sorted(parts[0] + parts[1]) == sorted(content.splitlines(keepends=True))


def test_the_legacy_steps_of_77_classes() -> None:
    found, content = prepared("banking77_train.csv", "prompt_completion")
    assert [step["id"] for step in found["steps"]] == ["convert", "rename_columns", "add_separator", "add_space"]
    assert json.loads(content.splitlines()[0]) == {
        "prompt": "I am still waiting on my card?\n\n###\n\n",
        "completion": " card_arrival",
    }


def test_tweets_keep_their_quotes_and_their_emoji() -> None:
    found, content = prepared("afrisenti_ha_dev.tsv", "chat")
    assert found["columns"] == {"prompt": 2, "completion": 3, "guessed": True}
    assert (read(content).errors, found["examples"], found["advice"]["classes"]) == (0, 2_677, 3)


def test_questions_and_answers_lose_only_their_repetitions() -> None:
    found, content = prepared("sarcasm_qa.jsonl", "chat")
    repeated = next(step for step in found["steps"] if step["id"] == "remove_duplicates")
    assert (repeated["rows"], read(content).examples, read(content).errors) == (20, 480, 0)


def test_legacy_pairs_become_chat_without_the_legacy_marks() -> None:
    found, content = prepared("selfinstruct_t0_ag_news_classify.jsonl", "chat", "remove_duplicates")
    assert "remove_stop" in [step["id"] for step in found["steps"]]
    assert b"<|endoftext|>" not in content
    assert (read(content).format, read(content).errors) == ("chat", 0)


@pytest.mark.parametrize("name", ["gsm8k_chat_train.jsonl", "orca_dpo_pairs_validation.jsonl"])
def test_examples_need_no_preparing(name: str) -> None:
    with pytest.raises(CannotBePrepared, match="already"):
        prepared(name, "chat")
