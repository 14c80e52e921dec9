"""The default number of epochs, by the notebook's rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.states import ARROWS, UNDER_WAY, State, may_follow


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(0, 25), (1, 25), (5, 20), (10, 10), (33, 3), (34, 3), (100, 3), (8333, 3), (8334, 2), (12_501, 1), (10**7, 1)],
)
def test_the_notebooks_rule(examples: int, epochs: int) -> None:
    assert default_epochs(examples) == epochs


@given(st.integers(0, 10**8))
def test_there_is_always_an_epoch_and_never_more_than_25(examples: int) -> None:
    assert 1 <= default_epochs(examples) <= 25


def test_a_verdict_is_only_left_for_the_archive() -> None:
    assert ARROWS.keys() == set(State)
    assert {state for state in State if may_follow(State.VALIDATING, state)} == {
        State.VALIDATING, State.READY, State.INVALID, State.ARCHIVED,
    }  # fmt: skip
    for verdict in (State.READY, State.INVALID):
        assert ARROWS[verdict] == {State.ARCHIVED}
    assert {State.RECEIVED, State.VALIDATING} == UNDER_WAY
