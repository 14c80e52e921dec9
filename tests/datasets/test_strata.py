"""Cutting classes in the same proportion: within one example of each, in both parts, in small memory."""

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.rules import recipes, strata
from service.datasets.rules.splits import Part, Split
from tests.datasets.factories import Shelf


def labelled(answer: str, number: int) -> bytes:
    messages = [{"role": "user", "content": f"Question {number}?"}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}).encode() + b"\n"


def file_of(counts: list[int]) -> bytes:
    """Classes one after the other, as tables are often sorted."""
    return b"".join(labelled(f"class {one}", n) for one, count in enumerate(counts) for n in range(count))


def parts(content: bytes, split: Split) -> tuple[list[bytes], list[bytes]]:
    train, validation = ([*recipes.made(split.recipe(part), lambda: [content], content.count(b"\n"))] for part in Part)
    return train, validation


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=12), share=st.integers(1, 99), seed=st.integers(0, 99))
def test_every_class_is_within_one_of_its_share_in_both_parts(counts: list[int], share: int, seed: int) -> None:
    content, fraction = file_of(counts), Fraction(share, 100)
    split = Split(seed, Decimal(share) / 100, None, by_answer=True)
    train, validation = parts(content, split)
    assert sorted([*train, *validation]) == sorted(content.splitlines(keepends=True))
    assert len(validation) == split.validation_examples(sum(counts))
    kept, held_out = (Counter(map(strata.class_of, part)) for part in (train, validation))
    for one, count in (kept + held_out).items():
        assert abs(held_out[one] - count * fraction) < 1
        assert abs(kept[one] - count * (1 - fraction)) < 1


@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=12), data=st.data())
def test_a_count_is_met_exactly_too(counts: list[int], data: st.DataObject) -> None:
    asked = data.draw(st.integers(1, sum(counts) - 1))
    train, validation = parts(file_of(counts), Split(0, None, asked, by_answer=True))
    assert (len(train), len(validation)) == (sum(counts) - asked, asked)


def test_a_seed_chooses_the_same_on_every_machine() -> None:
    _, validation = parts(file_of([6, 3, 9]), Split(0, Decimal("0.34"), None, by_answer=True))
    numbers = [int(line.split(b"Question ")[1].split(b"?")[0]) for line in validation]
    assert numbers == [2, 4, 0, 4, 6, 7]  # written down once: a change would recut what teams have frozen


def test_inside_a_class_every_example_has_the_same_chance() -> None:
    drawn: Counter[bytes] = Counter()
    content = file_of([10, 10])
    for seed in range(400):
        drawn.update(parts(content, Split(seed, Decimal("0.2"), None, by_answer=True))[1])
    assert len(drawn) == 20
    assert all(50 < times < 115 for times in drawn.values())  # 80 expected, standard deviation 8


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        ({"prompt": "a", "completion": " yes"}, " yes"),
        ({"input": {"messages": []}, "preferred_output": [{"role": "assistant", "content": "b"}]}, "b"),
        ({"messages": [{"role": "assistant", "content": [{"type": "text", "text": "c"}]}]}, "c"),
        ({"messages": [{"role": "assistant", "content": "first"}, {"role": "user", "content": "no"}]}, "first"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, ""),
        ({"messages": [{"role": "user", "content": "?"}], "reference": 4}, ""),
    ],
)
def test_the_answer_is_what_is_to_be_learned(example: dict[str, object], answer: str) -> None:
    assert strata.answer(example) == answer


def test_spaces_around_an_answer_make_no_other_class() -> None:
    assert strata.class_of(labelled(" yes\n", 1)) == strata.class_of(labelled("yes", 2))


# ----------------------------------------------------------------------------------- the flow; this test is the worker
@pytest.fixture
def shelf(quiet: LocalStack) -> Shelf:
    return Shelf()


def test_a_stratified_cut_is_made_and_is_another_than_the_plain_one(shelf: Shelf) -> None:
    whole = shelf.checked(file_of([30, 20, 10]))
    cut = shelf.split(whole, validation_fraction=Decimal("0.1"), by_answer=True)
    assert cut != shelf.split(whole, validation_fraction=Decimal("0.1"))
    flows.validate(cut)
    assert [shelf.view(one).state for one in cut] == ["ready", "ready"]
    assert sorted(Counter(map(strata.class_of, shelf.lines(cut[1]))).values()) == [1, 2, 3]


def test_free_text_is_no_class(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strata, "CLASSES_MAX", 9)
    whole = shelf.checked(file_of([2] * 12))
    cut = shelf.split(whole, validation_fraction=Decimal("0.5"), by_answer=True)
    flows.validate(cut)
    assert [(shelf.view(one).state, shelf.errors(one)) for one in cut] == [("invalid", ["too_many_classes"])] * 2
