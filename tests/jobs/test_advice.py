"""What is advised on curves drawn by hand, and that no curve whatever breaks it."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.jobs.advice import Advice, Code, Facts, advise
from service.jobs.measures import NAMES, Measured

ENOUGH = 200  # examples of which nobody says they are few
EPOCHS = 10
USUAL = Facts(ENOUGH, EPOCHS)
STEPS = 100
Draw = Callable[[float], float]


def run(columns: Mapping[str, Sequence[float | None]]) -> list[Measured]:
    """Steps 1, 2, 3 … with these columns."""
    return [
        Measured(step, STEPS, dict.fromkeys(NAMES) | {name: drawn[step - 1] for name, drawn in columns.items()})
        for step in range(1, STEPS + 1)
    ]


def drawn(draw: Draw, *, noise: float = 0.0, every: int = 1, seed: int = 1) -> list[float | None]:
    """A curve over a training that lasts from 0 to 1, measured at every so many steps."""
    rng = random.Random(seed)
    return [
        draw(step / STEPS) * (1 + rng.gauss(0, noise)) if step % every == 0 else None for step in range(1, STEPS + 1)
    ]


def falling(speed: float, floor: float = 0.3) -> Draw:
    return lambda at: floor + 2 * math.exp(-speed * at)


def valley(bottom: float, rise: float) -> Draw:
    """Falls until `bottom`, then rises by so much to the end."""
    return lambda at: 1 + (1 - at / bottom if at < bottom else rise * (at - bottom) / (1 - bottom))


def codes(found: Sequence[Advice]) -> list[Code]:
    return [one.code for one in found]


def advised(facts: Facts = USUAL, /, **columns: Sequence[float | None]) -> list[Advice]:
    return advise(facts, run(columns))


CURVES: list[tuple[str, dict[str, Sequence[float | None]], list[Code]]] = [
    ("learned well", {"train_loss": drawn(falling(3.5)), "full_valid_loss": drawn(falling(3.5, 0.5), every=10)}, []),
    ("learned well, noisily", {"train_loss": drawn(falling(3.5), noise=0.2)}, []),
    (
        "validation turns",
        {"train_loss": drawn(falling(5)), "full_valid_loss": drawn(valley(0.3, 0.6), every=10)},
        [Code.OVERFITTING],
    ),
    (
        "validation turns, noisily",
        {"train_loss": drawn(falling(5), noise=0.2), "valid_loss": drawn(valley(0.3, 0.6), noise=0.05, every=2)},
        [Code.OVERFITTING],
    ),
    (
        "one bad validation at the end",
        {
            "train_loss": drawn(falling(3.5)),
            "full_valid_loss": [*drawn(falling(3.5, 0.5), every=10)[:-1], 2.0],
        },
        [],
    ),
    ("stopped on the slope", {"train_loss": drawn(lambda at: 3 - 2 * at)}, [Code.UNDERFITTING]),
    ("stopped on the slope, noisily", {"train_loss": drawn(lambda at: 3 - 2 * at, noise=0.15)}, [Code.UNDERFITTING]),
    (
        "the slope is not validation's",
        {"train_loss": drawn(lambda at: 3 - 2 * at), "full_valid_loss": drawn(valley(0.3, 0.9), every=10)},
        [Code.OVERFITTING],
    ),
    ("nothing for long", {"train_loss": drawn(falling(20))}, [Code.PLATEAU]),
    ("nothing for long, noisily", {"train_loss": drawn(falling(20), noise=0.1)}, [Code.PLATEAU]),
    ("nothing at all", {"train_loss": drawn(lambda _: 1.5, noise=0.02)}, [Code.PLATEAU]),
    ("fell apart slowly", {"train_loss": drawn(valley(0.4, 2.0))}, [Code.DIVERGENCE]),
    ("grew from the start", {"train_loss": drawn(lambda at: math.exp(3 * at))}, [Code.DIVERGENCE]),
    ("became no number", {"train_loss": [*drawn(falling(3.5))[:60], *[None] * 40]}, [Code.DIVERGENCE]),
    ("known by heart", {"train_loss": drawn(falling(30, 0.001))}, [Code.OVERFITTING]),
    (
        "known by heart, by its tokens",
        {"train_loss": drawn(falling(8)), "train_mean_token_accuracy": drawn(lambda at: min(1.0, 0.6 + at))},
        [Code.OVERFITTING],
    ),
    (
        "rewards rise and settle",
        {"train_mean_reward": drawn(lambda at: 0.8 - 0.6 * math.exp(-3.5 * at), noise=0.05)},
        [],
    ),
    ("rewards still rise", {"train_mean_reward": drawn(lambda at: 0.1 + 0.7 * at, noise=0.05)}, [Code.UNDERFITTING]),
    ("rewards never vary", {"train_mean_reward": drawn(lambda _: 0.0)}, [Code.REWARD_FLAT]),
    (
        "rewards are hacked",
        {
            "train_mean_reward": drawn(lambda at: 0.2 + 0.6 * at),
            "full_valid_mean_reward": drawn(lambda at: 0.5 - abs(at - 0.4), every=10),
        },
        [Code.OVERFITTING],
    ),
    (
        "answers cannot be read",
        {
            "train_mean_reward": drawn(lambda at: 0.8 - 0.6 * math.exp(-3.5 * at)),
            "full_valid_mean_parse_error": drawn(lambda _: 0.3, every=10),
        },
        [Code.PARSE_ERRORS],
    ),
    (
        "pairs are not told apart",
        {"train_loss": drawn(falling(3.5)), "train_preference_accuracy": drawn(lambda _: 0.52, noise=0.1)},
        [Code.PREFERENCES_NOT_LEARNED],
    ),
    (
        "pairs are told apart in training only",
        {
            "train_loss": drawn(falling(3.5)),
            "train_preference_accuracy": drawn(lambda at: min(0.98, 0.5 + at)),
            "valid_preference_accuracy": drawn(lambda _: 0.6, every=10),
        },
        [Code.OVERFITTING],
    ),
]


@pytest.mark.parametrize(("columns", "expected"), [pytest.param(*rest, id=name) for name, *rest in CURVES])
def test_a_drawn_curve_is_read_as_a_person_would(
    columns: dict[str, Sequence[float | None]], expected: list[Code]
) -> None:
    assert codes(advised(**columns)) == expected


def test_overfitting_names_the_step_the_numbers_and_the_epochs_to_try() -> None:
    (found,) = advised(train_loss=drawn(falling(5)), full_valid_loss=drawn(valley(0.3, 0.6), every=10))
    assert found.suggestion
    assert found.suggestion.n_epochs == 3
    assert found.evidence["best_step"] == 30
    assert found.evidence["best_valid_loss"] == 1.0
    assert found.evidence["end_valid_loss"] > 1.5
    assert found.evidence["end_train_loss"] < found.evidence["train_loss_then"]
    assert "step 30" in found.message


def test_underfitting_suggests_twice_the_epochs_up_to_what_a_provider_takes() -> None:
    slope = drawn(lambda at: 3 - 2 * at)
    for epochs, more in ((1, 2), (10, 20), (30, 50)):
        (found,) = advised(Facts(ENOUGH, epochs), train_loss=slope)
        assert found.suggestion
        assert found.suggestion.n_epochs == more
    (found,) = advised(Facts(ENOUGH, 50), train_loss=slope)
    assert found.suggestion is None


def test_a_plateau_suggests_the_epochs_it_took_to_get_there() -> None:
    (found,) = advised(train_loss=drawn(falling(20)))
    assert found.suggestion
    assert found.suggestion.n_epochs in (2, 3)


def test_divergence_suggests_half_the_learning_rate() -> None:
    facts = Facts(ENOUGH, EPOCHS, learning_rate_multiplier=1.8)
    (found,) = advised(facts, train_loss=drawn(valley(0.4, 2.0)))
    assert found.suggestion
    assert (found.suggestion.n_epochs, found.suggestion.learning_rate_multiplier) == (None, 0.9)


def test_of_epochs_nobody_knows_nothing_is_suggested() -> None:
    (found,) = advised(Facts(ENOUGH), train_loss=drawn(falling(5)), full_valid_loss=drawn(valley(0.3, 0.6), every=10))
    assert found.suggestion is None


def test_of_a_training_cut_short_only_what_it_shows_is_said() -> None:
    cut = Facts(ENOUGH, EPOCHS, is_complete=False)
    assert advised(cut, train_loss=drawn(lambda at: 3 - 2 * at)) == []
    assert codes(advised(cut, train_loss=drawn(valley(0.4, 2.0)))) == [Code.DIVERGENCE]


@pytest.mark.parametrize(("examples", "few"), [(0, False), (10, True), (49, True), (50, False)])
def test_few_examples_are_told_with_or_without_curves(examples: int, few: bool) -> None:
    (found,) = advise(Facts(examples), []) if few else (None,)
    if found:
        assert (found.code, found.evidence["examples"]) == (Code.TOO_FEW_EXAMPLES, examples)
    else:
        assert advise(Facts(examples), []) == []


NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ANY_STEP = st.builds(
    Measured,
    step=st.integers(0, 2**31 - 1),
    total_steps=st.none() | st.integers(0, 2**31 - 1),
    values=st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, NUMBERS)),
)
ANY_FACTS = st.builds(
    Facts,
    examples=st.integers(0, 10**9),
    epochs=st.none() | st.integers(1, 50),
    learning_rate_multiplier=st.none() | st.floats(1e-4, 100),
    is_complete=st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(ANY_FACTS, st.lists(ANY_STEP, max_size=60))
def test_whatever_was_measured_advice_is_finite_and_can_be_followed(facts: Facts, steps: list[Measured]) -> None:
    for one in advise(facts, steps):
        assert one.message
        assert all(math.isfinite(value) for value in one.evidence.values())
        if one.suggestion and one.suggestion.n_epochs is not None:
            assert 1 <= one.suggestion.n_epochs <= 50
            assert one.suggestion.n_epochs != facts.epochs


LOSSES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(LOSSES, LOSSES, st.integers(-20, 20))
def test_the_unit_of_a_loss_does_not_matter(train: list[float], valid: list[float], power: int) -> None:
    def told(factor: float) -> list[Any]:
        columns = [
            Measured(step, None, {"train_loss": a * factor, "valid_loss": b * factor})
            for step, (a, b) in enumerate(zip(train, valid, strict=False))
        ]
        return [(one.code, one.suggestion) for one in advise(Facts(ENOUGH, EPOCHS), columns)]

    assert told(1.0) == told(2.0**power)  # powers of two, so that nothing is rounded


@settings(max_examples=50, deadline=None)
@given(st.lists(ANY_STEP, max_size=30, unique_by=lambda one: one.step), st.randoms(use_true_random=False))
def test_the_order_of_telling_does_not_matter(steps: list[Measured], rng: random.Random) -> None:
    shuffled = rng.sample(steps, len(steps))
    assert advise(Facts(ENOUGH, EPOCHS), steps) == advise(Facts(ENOUGH, EPOCHS), shuffled)
