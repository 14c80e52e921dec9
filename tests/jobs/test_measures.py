"""Numbers out of a provider's words: flat, nested, in tables, and none that a table of ours could not hold."""

import csv
import io
import math
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.learning import Measurement, Trace
from emulator.reinforcement import Evaluation, RewardTrace
from service.jobs import metrics_as_csv
from service.jobs.measures import NAMES, OTHERS_MAX, Measured, of_event, of_table
from service.jobs.models import JobMetric

SAMPLE = {  # openai.md §6, the guide's event, shortened
    "step": 10,
    "total_steps": 20,
    "train_mean_reward": 0.42,
    "full_valid_mean_reward": 0.68,
    "full_valid_mean_parse_error": 0.0,
    "mean_unresponsive_rewards": 0.0,
    "reasoning_tokens_mean": 610.5,
    "completion_tokens_mean": 81,
    "model_graders_token_usage": {"gpt-4.1": {"train": {"prompt": 9, "cached": 3}}},
    "scores": {"train_reward_mean": 0.42, "valid_reward_mean": 0.68, "graders": [{"name": "exact", "mean": 0.5}]},
    "errors": {"graders": [{"train_sample_parse_error_mean": 0.25}]},
    "timing": {"step": {"sampling": 5, "training": None}},
}


def told(measured: Measured | None) -> dict[str, float]:
    assert measured is not None
    return {name: value for name, value in measured.values.items() if value is not None}


def test_reinforcement_is_read_flat_and_the_rest_by_dotted_name() -> None:
    measured = of_event(SAMPLE)
    assert measured is not None
    assert (measured.step, measured.total_steps) == (10, 20)
    assert told(measured) == {
        "train_mean_reward": 0.42,
        "full_valid_mean_reward": 0.68,
        "full_valid_mean_parse_error": 0.0,
        "mean_unresponsive_rewards": 0.0,
        "reasoning_tokens_mean": 610.5,
    }
    assert measured.others == {
        "completion_tokens_mean": 81,
        "model_graders_token_usage.gpt-4.1.train.prompt": 9,
        "model_graders_token_usage.gpt-4.1.train.cached": 3,
        "scores.graders.0.mean": 0.5,
        "errors.graders.0.train_sample_parse_error_mean": 0.25,
        "timing.step.sampling": 5,
    }


@pytest.mark.parametrize(
    "data",
    [
        {"train_mean_reward": 0.4, "full_valid_mean_reward": 0.6},
        {"train_reward_mean": 0.4, "valid_reward_mean": 0.6},
        {"scores": {"train_reward_mean": 0.4, "valid_reward_mean": 0.6}},
        {"train_mean_reward": None, "scores": {"train_reward_mean": 0.4, "valid_reward_mean": 0.6}},
    ],
)
def test_rewards_are_found_wherever_they_stand(data: dict[str, Any]) -> None:
    assert told(of_event({"step": 1, **data})) == {"train_mean_reward": 0.4, "full_valid_mean_reward": 0.6}


def test_what_the_emulator_tells_of_each_method_is_understood() -> None:
    one = Measurement(1.5, 0.25)
    supervised = Trace(array("d", [1.5]), array("d", [0.25]), {1: one}, {1: one})
    assert told(of_event(supervised.metrics(1))) == {
        f"{which}_{what}": value
        for which in ("train", "valid", "full_valid")
        for what, value in (("loss", 1.5), ("mean_token_accuracy", 0.25))
    }
    (row,) = of_table(supervised.results_csv().decode().splitlines())
    assert told(row)["train_mean_token_accuracy"] == 0.25
    rewarded = RewardTrace(array("d", [0.5, 0.75]), {2: Evaluation(0.7, 0.1)}, None)
    assert told(of_event(rewarded.metrics(2)))["full_valid_mean_parse_error"] == 0.1
    assert [told(row)["train_mean_reward"] for row in of_table(rewarded.results_csv().decode().splitlines())] == [
        0.5, 0.75,
    ]  # fmt: skip


def test_preferences_are_read_by_our_names_and_by_the_trainers_of_compatible_servers() -> None:
    ours = {"train_preference_accuracy": 0.75, "valid_preference_accuracy": 0.5}
    theirs = {"rewards/accuracies": 0.75, "eval_rewards/accuracies": 0.5}
    assert told(of_event({"step": 1, **ours})) == told(of_event({"step": 1, **theirs})) == ours


@pytest.mark.parametrize("step", [None, -1, 2**31, 10**400, 1.5, "7", True, float("nan")])
def test_without_a_step_that_a_table_can_hold_there_is_nothing(step: object) -> None:
    assert of_event({"step": step, "train_loss": 1.0}) is None


@pytest.mark.parametrize("value", [None, "0.5", True, 10**400, float("nan"), float("inf"), [0.5], {"a": 0.5}])
def test_what_is_no_finite_number_is_no_measure(value: object) -> None:
    measured = of_event({"step": 1, "train_loss": value})
    assert measured is not None
    assert measured.values["train_loss"] is None


def test_of_the_others_only_so_many_are_kept() -> None:
    measured = of_event({"step": 1, "x" * 200: 1.0, **{f"m{n}": 1.0 for n in range(1000)}})
    assert measured is not None
    assert len(measured.others) == OTHERS_MAX


def test_a_table_is_read_whatever_stands_between_its_lines() -> None:
    lines = ["Step, train_loss ,train_accuracy,valid_loss,lr", "1,2.5,0.5,,0.1", "", "x,1,1,1,1", "2,nan,,1.5", "3.0,1"]
    rows = list(of_table(lines))
    assert [row.step for row in rows] == [1, 2, 3]
    assert told(rows[0]) == {"train_loss": 2.5, "train_mean_token_accuracy": 0.5}
    assert rows[0].others == {"lr": 0.1}
    assert told(rows[1]) == {"valid_loss": 1.5}


def test_the_legacy_tables_minus_one_means_absent() -> None:
    (row,) = of_table(["step,training_loss,validation_loss,validation_token_accuracy", "1,0.5,-1,-1.0"])
    assert told(row) == {"train_loss": 0.5}


def test_as_csv_no_name_of_a_providers_begins_a_formula() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    told = {"step": 1, "train_loss": -0.5, "=cmd()": 2.5, "lr": 0.1}
    measured = of_event(told)
    assert measured is not None
    row = JobMetric(step=1, total_steps=None, at=at, others=measured.others, **measured.values)
    header, line = csv.reader(io.StringIO(metrics_as_csv("job_1", [row])))
    assert header[:5] == ["job", "step", "total_steps", "at", "train_loss"]
    assert header[-2:] == ["'=cmd()", "lr"]
    assert line[:5] == ["job_1", "1", "", "2026-11-20T00:00:00+00:00", "-0.5"]
    assert line[-2:] == ["2.5", "0.1"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([*NAMES, "step", "total_steps", "scores", "x.y"]), JSON))
def test_whatever_an_event_says_what_is_read_can_be_stored(data: dict[str, Any]) -> None:
    measured = of_event(data)
    if measured is None:
        return
    assert measured.values.keys() == NAMES.keys()
    assert all(value is None or math.isfinite(value) for value in measured.values.values())
    assert all(math.isfinite(value) for value in measured.others.values())


@given(st.lists(st.text(max_size=40), max_size=10))
def test_whatever_a_table_says_it_is_read_to_its_end(lines: list[str]) -> None:
    assert all(row.values.keys() == NAMES.keys() for row in of_table(["step,train_loss", *lines]))
