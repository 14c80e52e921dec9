"""Cutting a dataset in two: exactly, the same everywhere, once only, and through every failure."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service import datasets
from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.models import Dataset
from service.datasets.rules.splits import Part, Split, for_validation
from service.kit import ids, storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from tests.datasets.factories import Shelf, make_due
from tests.stack import conversations


# ----------------------------------------------------------------------------------------------------------- the rule
@given(examples=st.integers(2, 3000), seed=st.integers(0, 2**31 - 1), share=st.integers(1, 99))
def test_exactly_so_many_are_for_validation_as_were_asked_for(examples: int, seed: int, share: int) -> None:
    split = Split(seed, None, max(1, examples * share // 100))
    chosen = for_validation(split, examples)
    assert sum(map(chosen, range(1, examples + 1))) == split.count


def test_a_seed_chooses_the_same_on_every_machine_and_another_seed_another_choice() -> None:
    def chosen(seed: int) -> list[int]:
        return [*filter(for_validation(Split(seed, None, 6), 40), range(1, 41))]

    assert chosen(0) == [3, 5, 7, 19, 33, 34]  # written down once: a change would recut what teams have frozen
    assert chosen(7) != chosen(0)


def test_a_larger_cut_with_the_same_seed_contains_the_smaller() -> None:
    small, large = (for_validation(Split(3, None, count), 500) for count in (50, 120))
    numbers = range(1, 501)
    assert {*filter(small, numbers)} < {*filter(large, numbers)}


@pytest.mark.parametrize(
    ("fraction", "examples", "expected"), [("0.1", 100, 10), ("0.5", 5, 3), ("0.01", 12, 1), ("0.25", 10, 3)]
)
def test_a_share_is_rounded_half_up_and_is_one_at_least(fraction: str, examples: int, expected: int) -> None:
    assert Split(0, Decimal(fraction), None).validation_examples(examples) == expected


def test_equal_cuts_are_written_equally() -> None:
    one, two = Split(1, Decimal("0.50"), None), Split(1, Decimal("0.5"), None)
    assert one.recipe(Part.TRAIN) == two.recipe(Part.TRAIN)
    assert Split.of(one.recipe(Part.TRAIN)) == two
    assert Split.of(Split(1, None, 4).recipe(Part.VALIDATION)) == Split(1, None, 4)


# ----------------------------------------------------------------------------------- the flow; this test is the worker
@pytest.fixture
def shelf(quiet: LocalStack) -> Shelf:
    return Shelf()


def test_the_parts_hold_every_example_once_in_its_order_and_are_ready(shelf: Shelf) -> None:
    content = conversations(60).replace(b"\n", b"\n\n", 3)  # empty lines are no examples
    whole = shelf.put(content)
    flows.validate([whole])
    train, validation = shelf.split(whole, validation_fraction=Decimal("0.1"))
    early = shelf.view(train)
    assert (early.state, early.bytes, early.sha256, early.examples) == ("received", None, None, None)
    assert early.parent == ids.show("dset", whole)
    assert early.recipe
    assert early.recipe.model_dump() == {
        "kind": "split", "part": "train", "seed": 0, "fraction": "0.1", "count": None, "stratify_by": None,
    }  # fmt: skip
    flows.validate([train, validation])
    assert [(shelf.view(one).state, shelf.view(one).examples) for one in (train, validation)] == [
        ("ready", 54), ("ready", 6),
    ]  # fmt: skip
    kept, held_out = shelf.lines(train), shelf.lines(validation)
    examples = [line for line in content.splitlines() if line]
    assert sorted([*kept, *held_out]) == sorted(examples)
    assert kept == [line for line in examples if line in set(kept)]
    assert shelf.view(validation).bytes == sum(len(line) + 1 for line in held_out)
    assert shelf.errors(validation) == []  # few examples are enough to measure on


def test_the_same_cut_is_the_same_two_datasets_and_another_one_is_not(shelf: Shelf) -> None:
    whole = shelf.put(conversations(30))
    parts = shelf.split(whole, validation_fraction=Decimal("0.5"))
    assert shelf.split(whole, validation_fraction=Decimal("0.500")) == parts
    assert not {*parts} & {*shelf.split(whole, validation_fraction=Decimal("0.5"), seed=1)}
    assert not {*parts} & {*shelf.split(whole, validation_count=15)}


def test_a_part_waits_for_its_whole_at_nobodys_expense(shelf: Shelf) -> None:
    whole = shelf.put(conversations(30))
    parts = shelf.split(whole, validation_count=5)
    for _ in range(3):
        make_due(*parts)
        flows.validate(parts)
    waiting = shelf.row(parts[0])
    assert (waiting.state, waiting.attempts, waiting.sha256) == ("received", 0, None)
    assert waiting.due_at is not None
    flows.validate([whole])
    make_due(*parts)
    flows.validate(parts)
    assert [shelf.view(one).examples for one in parts] == [25, 5]


def test_a_part_of_a_part_is_made_too(shelf: Shelf) -> None:
    whole = shelf.put(conversations(40))
    train, _ = shelf.split(whole, validation_count=10)
    inner = shelf.split(train, validation_count=10)
    for _ in range(3):
        make_due(*inner)
        flows.validate([*inner, train, whole])
    make_due(train)
    flows.validate([train])
    make_due(*inner)
    flows.validate(inner)
    assert [shelf.view(one).examples for one in inner] == [20, 10]


@pytest.mark.parametrize(
    ("content", "how", "code"),
    [
        (b'{"messages": []}\n' * 30, {"validation_count": 5}, "whole_invalid"),
        (conversations(12), {"validation_count": 12}, "empty_part"),
        (conversations(12), {"validation_count": 4}, "too_few_examples"),
    ],
)
def test_what_cannot_be_cut_is_invalid_and_says_why(
    shelf: Shelf, content: bytes, how: dict[str, int], code: str
) -> None:
    whole = shelf.put(content)
    train, _ = shelf.split(whole, **how)
    flows.validate([whole])
    flows.validate([train])
    assert (shelf.view(train).state, shelf.errors(train)) == ("invalid", [code])


def test_a_checked_whole_is_refused_at_once_where_the_cut_cannot_be(shelf: Shelf) -> None:
    whole, broken = shelf.put(conversations(12)), shelf.put(b'{"messages": []}\n' * 30)
    flows.validate([whole, broken])
    with pytest.raises(datasets.NothingLeft):
        shelf.split(whole, validation_count=12)
    with pytest.raises(datasets.DatasetNotDivisible):
        shelf.split(broken, validation_count=1)
    with pytest.raises(datasets.DatasetUnknown):
        shelf.split(uuid4(), validation_count=1)


def test_a_part_with_bytes_there_already_are_is_a_dataset_of_its_own(shelf: Shelf) -> None:
    whole = shelf.put(conversations(40))
    flows.validate([whole])
    train, _ = shelf.split(whole, validation_count=10)
    flows.validate([train])
    twin = shelf.put(b"".join(line + b"\n" for line in shelf.lines(train)))
    assert twin != train
    assert shelf.view(twin).sha256 == shelf.view(train).sha256
    flows.validate([twin])
    again, _ = shelf.split(twin, validation_count=10)
    assert again not in (train, twin)


def _delete(shelf: Shelf, whole: UUID) -> None:
    storage.delete(shelf.row(whole).storage_key)


def _overwrite(shelf: Shelf, whole: UUID) -> None:
    storage.make(shelf.row(whole).storage_key, iter([conversations(40, "other")]))


@pytest.mark.parametrize(("damage", "word"), [(_delete, "gone"), (_overwrite, "not what was received")])
def test_a_damaged_whole_leaves_its_parts_to_a_person(
    shelf: Shelf, damage: Callable[[Shelf, UUID], None], word: str
) -> None:
    whole = shelf.put(conversations(40))
    flows.validate([whole])
    train, _ = shelf.split(whole, validation_count=10)
    damage(shelf, whole)
    flows.validate([train])
    assert word in (shelf.view(train).attention or "")
    with pytest.raises(FileNotFoundError):
        shelf.lines(train)  # nothing half made lies there


def test_a_part_of_what_a_person_must_look_at_needs_one_too(shelf: Shelf) -> None:
    whole = shelf.put(conversations(40))
    train, _ = shelf.split(whole, validation_count=10)
    _delete(shelf, whole)
    flows.validate([whole])
    flows.validate([train])
    assert "needs a person" in (shelf.view(train).attention or "")


def test_only_the_team_itself_may_read_what_is_derived(shelf: Shelf) -> None:
    train, _ = shelf.split(shelf.put(conversations(40)), validation_count=10)
    with unit_of_work(worker_for(Shelf().team.id)) as session:
        assert session.scalars(select(Dataset).where(Dataset.id == train)).one_or_none() is None
