"""Taking a part of a dataset: nested, the same everywhere, once only."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import datasets
from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.rules.splits import Split, Subset, for_validation, in_subset
from tests.datasets.factories import Shelf, make_due
from tests.stack import conversations


def chosen(subset: Subset, examples: int) -> list[int]:
    return [*filter(in_subset(subset, examples), range(1, examples + 1))]


# ----------------------------------------------------------------------------------------------------------- the rule
@given(examples=st.integers(2, 1500), seed=st.integers(0, 2**31 - 1), shares=st.tuples(*[st.integers(1, 99)] * 2))
def test_a_smaller_one_lies_within_a_larger_of_the_same_seed(examples: int, seed: int, shares: tuple[int, int]) -> None:
    small, large = (Subset(seed, Decimal(share) / 100, None) for share in sorted(shares))
    assert {*chosen(small, examples)} <= {*chosen(large, examples)}
    assert len(chosen(small, examples)) == small.examples(examples)


def test_a_seed_takes_the_same_on_every_machine_and_another_seed_others() -> None:
    assert chosen(Subset(0, None, 6), 40) == [2, 11, 16, 27, 37, 39]  # written down once: teams have frozen it
    assert chosen(Subset(7, None, 6), 40) != chosen(Subset(0, None, 6), 40)


def test_it_is_not_just_what_a_split_of_the_same_seed_holds_back() -> None:
    held_back = {*filter(for_validation(Split(0, None, 100), 1000), range(1, 1001))}
    assert len(held_back & {*chosen(Subset(0, None, 500), 1000)}) < 70  # half of them, give or take


def test_equal_subsets_are_written_equally() -> None:
    assert Subset(1, Decimal("0.50"), None).recipe() == Subset(1, Decimal("0.5"), None).recipe()
    assert Subset.of(Subset(1, None, 4).recipe()) == Subset(1, None, 4)


# ----------------------------------------------------------------------------------- the flow; this test is the worker
@pytest.fixture
def shelf(quiet: LocalStack) -> Shelf:
    return Shelf()


def test_it_is_a_dataset_of_its_own_that_is_asked_for_once(shelf: Shelf) -> None:
    whole = shelf.put(conversations(60))
    half = shelf.subset(whole, fraction=Decimal("0.5"))  # asked for before anybody knows how many there are
    assert shelf.subset(whole, fraction=Decimal("0.500")) == half
    assert shelf.subset(whole, fraction=Decimal("0.5"), seed=1) != half
    flows.validate([half, whole])
    make_due(half)
    flows.validate([half])
    view = shelf.view(half)
    assert (view.state, view.examples, view.recipe and view.recipe.kind) == ("ready", 30, "subset")
    quarter = shelf.subset(whole, count=15)
    flows.validate([quarter])
    assert {*shelf.lines(quarter)} < {*shelf.lines(half)} < {*shelf.lines(whole)}
    assert shelf.lines(half) == [line for line in shelf.lines(whole) if line in {*shelf.lines(half)}]


def test_more_than_there_is_cannot_be_taken(shelf: Shelf) -> None:
    whole = shelf.put(conversations(12))
    early = shelf.subset(whole, count=13)
    flows.validate([whole])
    with pytest.raises(datasets.SubsetTooLarge):
        shelf.subset(whole, count=13)
    make_due(early)
    flows.validate([early])
    assert (shelf.view(early).state, shelf.errors(early)) == ("invalid", ["empty_part"])
    assert shelf.row(shelf.subset(whole, count=12)).state == "received"
