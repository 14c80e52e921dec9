"""What may be asked for, old names, ranges, and what is said about it. Pure, but for the catalog's own ranges."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from service.catalog import BaseModelFacts
from service.jobs import cautions, legacy
from service.jobs.errors import LegacyConflict, OptionUnsupported, UnusableSuffix
from service.jobs.models import Job
from service.jobs.planning import check_hyperparameters
from service.jobs.schemas import JobRequest, Method, method_of, options_of
from tests.jobs.asking import EXACT, GRADERS, a_base, request

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def refusals(**body: Any) -> list[tuple[str, str]]:
    """Where in the body something is wrong, without the branches of unions, and what."""
    with pytest.raises(ValidationError) as invalid:
        request(**body)
    return [(".".join(map(str, one["loc"])), one["type"]) for one in invalid.value.errors()]


# ------------------------------------------------------------------------------------------------------- the methods
def test_without_a_word_a_method_is_supervised() -> None:
    assert request().method.type == "supervised"
    assert request(method={"hyperparameters": {"n_epochs": 2}}).method.type == "supervised"


@pytest.mark.parametrize(
    "body",
    [
        {"method": {"type": "sft"}},
        {"method": {"type": ["dpo"]}},
        {"method": "dpo"},
        {"method": {"type": "supervised", "hyperparameters": {"beta": 1}}},
        {"method": {"type": "dpo", "hyperparameters": {"eval_samples": 1}}},
        {"method": {"type": "dpo", "hyperparameters": {"n_epochs": "3"}}},
        {"method": {"type": "dpo", "hyperparameters": {"n_epochs": True}}},
        {"method": {"type": "dpo", "hyperparameters": {"beta": "NaN"}}},
        {"method": {"type": "dpo", "hyperparameters": {"beta": "1E-400"}}},
        {"method": {"type": "reinforcement"}},
        {"method": {"type": "reinforcement", "grader": EXACT, "hyperparameters": {"reasoning_effort": "most"}}},
        {"method": {"type": "reinforcement", "grader": EXACT, "response_format": {"type": "text"}}},
        {"method": {"type": "dpo", "dpo": {"hyperparameters": {}}}},
    ],
)
def test_a_method_takes_its_own_fields_only(body: dict[str, Any]) -> None:
    assert all(place.startswith("method") for place, _ in refusals(**body))


@pytest.mark.parametrize("grader", GRADERS.values(), ids=GRADERS)
def test_every_kind_of_grader_is_taken_and_kept_as_it_was_sent(grader: dict[str, Any]) -> None:
    method = request(method={"type": "reinforcement", "grader": grader}).method
    assert options_of(method)["grader"] == grader


@pytest.mark.parametrize(
    "change",
    [
        {"type": "string"},
        {"name": ""},
        {"operation": "is"},
        {"input": None},
        {"reference": 3},
        {"surprise": 1},
        {"type": "text_similarity", "operation": None},
        {"type": "python", "source": "x" * (256 * 1024 + 1)},
        {"type": "score_model", "model": "gpt-4o", "input": []},
        {"type": "multi", "graders": {}, "calculate_output": "1"},
        {"type": "multi", "graders": {"inner": GRADERS["multi"]}, "calculate_output": "inner"},
        {"type": "multi", "graders": EXACT, "calculate_output": "exact"},
    ],
)
def test_a_grader_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    found = refusals(method={"type": "reinforcement", "grader": {**EXACT, **change}})
    assert all(place.startswith("method.reinforcement.grader") for place, _ in found)


METHODS: list[dict[str, Any]] = [
    {"type": "supervised", "hyperparameters": {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": "1.8"}},
    {"type": "supervised", "hyperparameters": {"n_epochs": "auto"}},
    {"type": "supervised"},
    {"type": "dpo", "hyperparameters": {"beta": "0.1", "n_epochs": 2}},
    {
        "type": "reinforcement",
        "grader": GRADERS["multi"],
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
        "hyperparameters": {"reasoning_effort": "low", "compute_multiplier": "1.5", "eval_interval": 5},
    },
]  # fmt: skip


@pytest.mark.parametrize("body", METHODS, ids=lambda body: json.dumps(body)[:60])
def test_a_method_comes_back_from_a_jobs_row_as_it_was_asked_for(body: dict[str, Any]) -> None:
    asked = request(method=body).method
    told = method_of(row_of(asked))
    chosen = asked.hyperparameters.model_dump(exclude_none=True)
    assert {name: value for name, value in told.hyperparameters.model_dump().items() if name in chosen} == chosen
    left = {value for name, value in told.hyperparameters.model_dump().items() if name not in chosen}
    assert left <= {None, "auto"}
    assert told.model_dump(exclude={"hyperparameters"}) == asked.model_dump(exclude={"hyperparameters"})


def row_of(method: Method) -> Job:
    chosen = method.hyperparameters
    own = {
        name: None if (value := getattr(chosen, name)) == "auto" else value
        for name in ("n_epochs", "batch_size", "learning_rate_multiplier")
    }
    options = json.loads(json.dumps(options_of(method)))  # as the database gives it back
    return cast("Job", SimpleNamespace(method=method.type, epochs=own.pop("n_epochs"), options=options, **own))


# -------------------------------------------------------------------------------------------------------- the ranges
@pytest.mark.parametrize(
    ("method", "name", "value", "allowed"),
    [
        ("supervised", "n_epochs", 0, "auto or an integer from 1 to 50"),
        ("supervised", "n_epochs", 51, "auto or an integer from 1 to 50"),
        ("supervised", "batch_size", 257, "auto or an integer from 1 to 256"),
        ("supervised", "learning_rate_multiplier", "0", "auto or a number from 0.0001 to 100"),
        ("dpo", "beta", "0", "auto or a number above 0 up to 2"),
        ("dpo", "beta", "2.5", "auto or a number above 0 up to 2"),
        ("reinforcement", "compute_multiplier", "10.1", "auto or a number above 0.00001 up to 10"),
        ("reinforcement", "eval_interval", 0, "auto or an integer from 1 to 2147483647"),
    ],
)
def test_a_value_out_of_range_names_the_field_and_the_range(method: str, name: str, value: Any, allowed: str) -> None:
    extra = {"grader": EXACT} if method == "reinforcement" else {}
    asked = request(method={"type": method, "hyperparameters": {name: value}, **extra})
    with pytest.raises(OptionUnsupported) as refused:
        check_hyperparameters(a_base(), asked.method, partial(legacy.place, asked))
    assert refused.value.pointer == f"#/method/hyperparameters/{name}"
    assert refused.value.message == f"{name} must be {allowed} for base; {value} was given."


def test_a_models_own_range_holds() -> None:
    asked = request(method={"hyperparameters": {"n_epochs": 11}})
    check_hyperparameters(a_base(), asked.method, partial(legacy.place, asked))
    strict: BaseModelFacts = replace(a_base(), hyperparameters={"supervised": {"n_epochs": {"max": 10}}})
    with pytest.raises(OptionUnsupported, match="from 1 to 10 for base; 11 was given"):
        check_hyperparameters(strict, asked.method, partial(legacy.place, asked))


# --------------------------------------------------------------------------------------------------------- old names
@pytest.mark.parametrize(
    ("body", "taken", "warned"),
    [
        ({"n_epochs": 4}, {"n_epochs": 4}, ["#/n_epochs"]),
        ({"batch_size": 2}, {"batch_size": 2}, ["#/batch_size"]),
        ({"learning_rate_multiplier": "0.2"}, {"learning_rate_multiplier": Decimal("0.2")},
         ["#/learning_rate_multiplier"]),
        ({"hyperparameters": {"n_epochs": "auto"}}, {"n_epochs": "auto"}, ["#/hyperparameters/n_epochs"]),
        ({"hyperparameters": {"batch_size": 3}, "n_epochs": 4}, {"n_epochs": 4, "batch_size": 3},
         ["#/n_epochs", "#/hyperparameters/batch_size"]),
        ({"n_epochs": 4, "hyperparameters": {"n_epochs": 4}}, {"n_epochs": 4},
         ["#/n_epochs", "#/hyperparameters/n_epochs"]),
        ({"n_epochs": 4, "method": {"hyperparameters": {"n_epochs": 4}}}, {"n_epochs": 4}, ["#/n_epochs"]),
        ({"n_epochs": 4, "method": {"type": "dpo", "hyperparameters": {"beta": 1}}},
         {"n_epochs": 4, "beta": Decimal(1)}, ["#/n_epochs"]),
        ({"method": {"hyperparameters": {"n_epochs": 4}}}, {"n_epochs": 4}, []),
        ({}, {}, []),
    ],
)  # fmt: skip
def test_an_old_name_is_taken_for_the_new_one_with_a_warning(
    body: dict[str, Any], taken: dict[str, Any], warned: list[str]
) -> None:
    modern, warnings = legacy.modernised(request(**body))
    assert modern.method.hyperparameters.model_dump(exclude_none=True) == taken
    assert [(one.code, one.pointer) for one in warnings] == [("legacy_name", where) for where in warned]
    assert (modern.n_epochs, modern.batch_size, modern.learning_rate_multiplier) == (None, None, None)
    assert modern.hyperparameters is None


def test_classification_metrics_are_an_evaluation_now() -> None:
    modern, (warning,) = legacy.modernised(request(compute_classification_metrics=True))
    assert (modern.classify, warning.pointer) == (True, "#/compute_classification_metrics")
    assert legacy.modernised(request(compute_classification_metrics=False))[0].classify is False


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"n_epochs": 3, "hyperparameters": {"n_epochs": 4}}, "#/n_epochs"),
        ({"n_epochs": 3, "method": {"hyperparameters": {"n_epochs": 4}}}, "#/n_epochs"),
        ({"hyperparameters": {"batch_size": 1}, "method": {"hyperparameters": {"batch_size": "auto"}}},
         "#/hyperparameters/batch_size"),
    ],
)  # fmt: skip
def test_two_values_for_one_thing_are_refused(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(LegacyConflict) as refused:
        legacy.modernised(request(**body))
    assert refused.value.pointer == pointer


def test_a_value_out_of_range_is_blamed_where_it_stands() -> None:
    sent = request(hyperparameters={"n_epochs": 99})
    modern, _ = legacy.modernised(sent)
    with pytest.raises(OptionUnsupported) as refused:
        check_hyperparameters(a_base(), modern.method, partial(legacy.place, sent))
    assert refused.value.pointer == "#/hyperparameters/n_epochs"


# ------------------------------------------------------------------------------------------------- the other fields
@pytest.mark.parametrize(
    "body",
    [
        {"suffix": ""},
        {"suffix": "x" * 65},
        {"seed": 2**31},
        {"priority": 11},
        {"priority": -11},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {str(n): "v" for n in range(16)}},
        {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}] * 6},
        {"integrations": [{"type": "mlflow"}]},
        {"integrations": [{"type": "wandb", "wandb": {}}]},
        {"integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["t"] * 51}}]},
        {"integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["t" * 65]}}]},
        {"budget": {"max_cost": "0"}},
        {"budget": {"max_cost": "-1"}},
        {"budget": {}},
        {"validation_dataset": "dset_x", "split": {"validation_count": 3}},
        {"split": {"validation_count": 3, "validation_fraction": "0.1"}},
    ],
)
def test_a_field_has_its_limits(body: dict[str, Any]) -> None:
    assert refusals(**body)


@pytest.mark.parametrize(
    ("asked", "suffix"),
    [
        ("support", "support"),
        ("Support Bot", "support-bot"),
        ("v2.1_final", "v2-1-final"),
        ("a:b", "a-b"),
        (" étude ", "tude"),
        ("--x--", "x"),
    ],
)
def test_a_suffix_is_put_into_the_providers_alphabet(asked: str, suffix: str) -> None:
    made, warnings = cautions.usable_suffix(asked)
    assert made == suffix
    assert [one.code for one in warnings] == ([] if made == asked else ["suffix_normalised"])


@pytest.mark.parametrize("asked", ["…", "---", "日本"])
def test_a_suffix_of_which_nothing_is_left_is_refused(asked: str) -> None:
    with pytest.raises(UnusableSuffix):
        cautions.usable_suffix(asked)


@pytest.mark.parametrize(
    ("body", "shutdown", "codes"),
    [
        ({}, None, ["no_validation_data"]),
        ({"validation_dataset": "dset_x"}, None, []),
        ({"split": {"validation_count": 3}}, None, []),
        ({"validation_dataset": "dset_x"}, (NOON + timedelta(days=90)).date(), ["model_shuts_down"]),
        ({"validation_dataset": "dset_x"}, (NOON + timedelta(days=91)).date(), []),
        ({"validation_dataset": "dset_x", "priority": -1}, None, ["priority_within_team"]),
    ],
)
def test_what_deserves_a_word_gets_one(body: dict[str, Any], shutdown: date | None, codes: list[str]) -> None:
    said = cautions.of_request(request(**body), base="base", shutdown=shutdown, at=NOON)
    assert [one.code for one in said] == codes


def test_the_examples_of_a_request_are_requests() -> None:
    examples = JobRequest.model_json_schema()["examples"]
    assert {JobRequest.model_validate(one).method.type for one in examples} == {"supervised", "dpo", "reinforcement"}
