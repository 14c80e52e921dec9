"""Which values a hyperparameter may take, for each method and where a model says otherwise."""

from decimal import Decimal

import pytest

from service.catalog.hyperparameters import BY_METHOD, Range, Value, ranges

EVERY = ("supervised", "dpo", "reinforcement")


@pytest.mark.parametrize(
    ("method", "name", "taken", "refused"),
    [
        ("supervised", "n_epochs", [1, 50, "auto"], [0, 51, -1, Decimal("1.5"), "many"]),
        ("supervised", "batch_size", [1, 256, "auto"], [0, 257]),
        ("supervised", "learning_rate_multiplier", [Decimal("0.0001"), 2, 100, "auto"], [0, Decimal("100.1"), -1]),
        ("dpo", "beta", [Decimal("0.0000001"), Decimal("0.1"), 2, "auto"], [0, Decimal("2.01")]),
        ("reinforcement", "reasoning_effort", ["default", "low", "medium", "high"], ["auto", "most", 1]),
        ("reinforcement", "compute_multiplier", [Decimal("0.00002"), 10, "auto"], [Decimal("0.00001"), 11]),
        ("reinforcement", "eval_interval", [1, 10_000, "auto"], [0, Decimal("0.5")]),
        ("reinforcement", "eval_samples", [1, "auto"], [0]),
    ],
)
def test_a_range_takes_what_the_provider_takes(
    method: str, name: str, taken: list[Value], refused: list[Value]
) -> None:
    one = BY_METHOD[method][name]
    assert [value for value in taken if not one.takes(value)] == []
    assert [value for value in refused if one.takes(value)] == []


@pytest.mark.parametrize(
    ("method", "name", "words"),
    [
        ("supervised", "n_epochs", "auto or an integer from 1 to 50"),
        ("dpo", "beta", "auto or a number above 0 up to 2"),
        ("reinforcement", "reasoning_effort", "default, low, medium or high"),
    ],
)
def test_a_range_in_words(method: str, name: str, words: str) -> None:
    assert str(BY_METHOD[method][name]) == words


def test_a_model_has_the_ranges_of_its_methods_and_changes_single_bounds() -> None:
    own = ranges(("supervised",), {"supervised": {"n_epochs": {"max": 10}, "batch_size": {"auto": False}}})
    assert list(own) == ["supervised"]
    assert own["supervised"]["n_epochs"] == Range(integer=True, min=Decimal(1), max=Decimal(10))
    assert not own["supervised"]["batch_size"].takes("auto")
    assert own["supervised"]["learning_rate_multiplier"] == BY_METHOD["supervised"]["learning_rate_multiplier"]
    assert ranges(EVERY, {}) == BY_METHOD
