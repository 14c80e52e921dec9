"""Asking for jobs of every kind: what is taken on and how, and what is refused with which words."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from service import jobs, registry
from service.cli.local import LocalStack
from service.datasets import flows as dataset_flows
from service.jobs import flows, progress
from service.jobs.errors import (
    FormatUnsuitable,
    MaxCostExceeded,
    MaxCostRequired,
    OptionUnsupported,
    UnknownTunedModel,
    ValidationRequired,
)
from service.jobs.flows import following
from service.jobs.models import FOLLOW, Job
from service.jobs.rules import State
from service.kit import clock, ids
from service.kit.db import read_only
from service.kit.errors import TuneplaneError
from service.provider.shapes import RemoteEvent, RemoteJob
from service.registry import ModelNotFound
from tests.jobs.asking import EXACT, items, pairs, reinforcement_is_offered
from tests.jobs.factories import Desk, age, an_account, at_account, claim
from tests.stack import conversations

BY_HOUR = "o4-mini-2025-04-16"
LAB = "lab"


@pytest.fixture(scope="module", autouse=True)
def world(quiet: LocalStack) -> str:
    """A provider that still takes reinforcement, at an account of its own; its id."""
    reinforcement_is_offered(LAB)
    return an_account(LAB, provider=LAB)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def chats(desk: Desk) -> UUID:
    return desk.shelf.checked(conversations(60))


def shown(desk: Desk, job: Job) -> dict[str, Any]:
    return jobs.JobView.of(desk.row(job)).model_dump(mode="json", by_alias=True)


def estimate(desk: Desk, dataset: UUID, **request: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "dataset": ids.show("dset", dataset), **request}
    with read_only(desk.actor) as session:
        told = jobs.estimate(session, desk.actor, jobs.JobRequest.model_validate(body), clock.now())
    return told.model_dump(mode="json")


def reinforcement(desk: Desk, **request: Any) -> dict[str, Any]:
    """The rest of a request for it, but for the data to train on."""
    measured_on = desk.shelf.checked(items(12, first=50))
    return {
        "model": BY_HOUR,
        "validation_dataset": ids.show("dset", measured_on),
        "method": {"type": "reinforcement", "grader": EXACT},
        "budget": {"max_cost": "20.00"},
        **request,
    }


# --------------------------------------------------------------------------------------------------- what is taken on
def test_everything_asked_for_is_shown_again(desk: Desk, chats: UUID) -> None:
    asked = {
        "method": {
            "type": "supervised",
            "hyperparameters": {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": "1.5"},
        },
        "suffix": "keeper",
        "seed": 7,
        "metadata": {"ticket": "ML-42"},
        "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["a"]}}],
        "priority": 3,
        "register": {"name": "keeper", "alias": "staging"},
        "budget": {"max_cost": "50.00"},
        "classify": True,
    }
    view = shown(desk, desk.submit(chats, **asked))
    wandb = {"project": "p", "name": None, "entity": None, "tags": ["a"]}
    assert {name: view[name] for name in asked} == asked | {"integrations": [{"type": "wandb", "wandb": wandb}]}
    assert [one["code"] for one in view["warnings"]] == ["no_validation_data", "priority_within_team"]


def test_a_job_says_what_is_unusual_about_it(desk: Desk) -> None:
    few = desk.shelf.checked(conversations(12))
    job = desk.submit(few, n_epochs="auto", compute_classification_metrics=True, suffix="Support Bot")
    view = shown(desk, job)
    assert {(one["code"], one["pointer"]) for one in view["warnings"]} == {
        ("legacy_name", "#/n_epochs"),
        ("legacy_name", "#/compute_classification_metrics"),
        ("suffix_normalised", "#/suffix"),
        ("no_validation_data", "#/validation_dataset"),
        ("few_examples", "#/dataset"),
        ("dataset_has_warnings", "#/dataset"),
        ("epochs_auto", "#/method/hyperparameters/n_epochs"),
    }
    assert (view["suffix"], view["classify"], view["method"]["hyperparameters"]["n_epochs"]) == (
        "support-bot", True, "auto",
    )  # fmt: skip


def test_a_job_on_a_split_waits_for_both_parts_and_is_then_priced_by_the_part(desk: Desk, chats: UUID) -> None:
    told = estimate(desk, chats, split={"validation_fraction": "0.5", "seed": 1})
    job = desk.submit(chats, split={"validation_fraction": "0.5", "seed": 1})
    assert (State(job.state), job.reserved) == (State.WAITING_FOR_DATASET, Decimal(0))
    parts = [part for part in (job.dataset_id, job.validation_dataset_id) if part]
    dataset_flows.validate(parts)
    age(job)
    flows.prepare([job.id])
    taken = desk.row(job)
    assert taken.state == State.QUEUED
    assert (
        taken.reserved
        == taken.estimated_expected
        == pytest.approx(Decimal(told["price"]["expected"]), rel=Decimal("0.05"))
    )
    assert taken.reserved < Decimal(told["price"]["high"])
    assert desk.money().held == taken.reserved


# ---------------------------------------------------------------------------------------------------------- estimates
def test_an_estimate_is_what_is_reserved_and_says_what_it_rests_on(desk: Desk, chats: UUID) -> None:
    told = estimate(desk, chats, n_epochs="auto")
    low, expected, high = (Decimal(told["price"][name]) for name in ("low", "expected", "high"))
    assert (low * 3, low * 25) == (expected, high)
    assert (told["status"], told["meter"], told["unit_price"]) == ("available", "training_tokens", "3.00")
    assert told["tokens"] == 25 * told["tokens_per_epoch"]
    assert (told["fits_budget"], told["budget_left"], told["fits_max_cost"]) == (True, "100.00", None)
    assert {one["code"] for one in told["warnings"]} == {"legacy_name", "no_validation_data", "epochs_auto"}
    job = desk.submit(chats, n_epochs="auto")
    assert (job.estimated_low, job.estimated_expected, job.reserved) == (low, expected, high)
    assert ids.show("price", job.price_id or job.id) == told["price_version"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"model": "gpt-3.5-turbo-0125"}, "model_retired"),
        ({"method": {"type": "dpo"}}, "dataset_format_unsuitable"),
        ({"method": {"type": "reinforcement", "grader": EXACT}}, "method_unsupported"),
    ],
)
def test_what_has_no_price_says_why(desk: Desk, chats: UUID, request_: dict[str, Any], reason: str) -> None:
    told = estimate(desk, chats, **request_)
    assert (told["status"], told["reason"]) == ("unavailable", reason)
    assert told["message"]


def test_after_its_end_a_job_tells_how_good_its_estimate_was(desk: Desk, chats: UUID) -> None:
    job = desk.submit(chats, method={"hyperparameters": {"n_epochs": "auto"}})
    assert shown(desk, job)["estimate_vs_billed"] is None

    def end(session: Any, row: Job) -> None:
        row.provider_job_id, row.state = f"ftjob-{row.id}", State.RUNNING
        row.trained_tokens = row.billed_tokens * 6  # twice what was expected
        progress.end_at_provider(session, row, State.CANCELLED, "It is over.", clock.now())

    desk.write(job, end)
    told = shown(desk, job)["estimate_vs_billed"]
    assert told["ratio"] == "2.00"
    assert Decimal(told["billed"]) == 2 * Decimal(told["expected"]) == 6 * Decimal(told["estimated_low"])
    assert Decimal(told["reserved"]) == 25 * Decimal(told["estimated_low"])


def test_a_job_that_may_cost_more_than_its_own_budget_is_refused_and_holds_nothing(desk: Desk, chats: UUID) -> None:
    told = estimate(desk, chats, budget={"max_cost": "0.001"})
    assert (told["status"], told["fits_max_cost"]) == ("available", False)
    with pytest.raises(MaxCostExceeded) as refused:
        desk.submit(chats, budget={"max_cost": "0.001"})
    assert refused.value.facts == {"asked": told["price"]["high"], "max_cost": "0.001", "currency": "USD"}
    assert desk.money().held == 0


# ------------------------------------------------------------------------------------------------- what is not possible
@pytest.mark.parametrize(
    ("request_", "error", "pointer"),
    [
        ({"method": {"type": "dpo"}}, FormatUnsuitable, "#/dataset"),
        ({"method": {"hyperparameters": {"n_epochs": 51}}}, OptionUnsupported, "#/method/hyperparameters/n_epochs"),
        ({"hyperparameters": {"batch_size": 999}}, OptionUnsupported, "#/hyperparameters/batch_size"),
        ({"register": {"name": "ok", "alias": "No Good"}}, registry.BadName, "#/register/alias"),
        ({"model": "ft:gpt-4o-mini-2024-07-18:acme::abcd1234"}, UnknownTunedModel, "#/model"),
        ({"model": "registry:nobody"}, ModelNotFound, "#/model"),
    ],
)
def test_what_stands_in_the_way_is_told_where_it_lies(
    desk: Desk, chats: UUID, request_: dict[str, Any], error: type[TuneplaneError], pointer: str
) -> None:
    with pytest.raises(error) as refused:
        desk.submit(chats, **request_)
    assert refused.value.pointer == pointer


def test_validation_data_must_suit_the_method_too(desk: Desk, chats: UUID) -> None:
    with pytest.raises(FormatUnsuitable) as refused:
        desk.submit(desk.shelf.checked(pairs()), method={"type": "dpo"}, validation_dataset=ids.show("dset", chats))
    assert refused.value.pointer == "#/validation_dataset"
    assert "needs preference pairs" in refused.value.message


def test_reinforcement_needs_items_to_measure_on_and_a_most_it_may_cost(desk: Desk, world: str) -> None:
    at_account(desk, world)
    data = desk.shelf.checked(items())
    with pytest.raises(ValidationRequired):
        desk.submit(data, **reinforcement(desk, validation_dataset=None))
    with pytest.raises(MaxCostRequired) as refused:
        desk.submit(data, **reinforcement(desk, budget=None))
    assert refused.value.pointer == "#/budget/max_cost"
    assert estimate(desk, data, **reinforcement(desk, budget=None))["reason"] == "max_cost_required"
    told = estimate(desk, data, **reinforcement(desk))
    assert told["price"] == {"low": None, "expected": None, "high": "20.00"}
    assert (told["meter"], told["unit_price"], told["tokens"], told["epochs"]) == (
        "training_hours", "100.00", None, None,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- paid by the hour
def test_reinforcement_is_cancelled_when_its_hours_come_to_what_it_may_cost(desk: Desk, world: str) -> None:
    at_account(desk, world)
    job = desk.submit(desk.shelf.checked(items()), **reinforcement(desk))
    assert desk.money().held == 20
    desk.write(job, lambda _, row: start(row))
    cheap, dear = 719, 720  # seconds at 100 an hour: under and at 20
    look(job, "Fine-tuning job started", after=0)
    look(job, "Step 1/9", after=cheap)
    assert desk.row(job).state == State.RUNNING
    look(job, "Step 2/9", after=dear)
    assert desk.row(job).state == State.CANCELLING
    assert "all it may cost" in desk.history(job)[-1].message
    look(job, "Fine-tuning job cancelled", after=dear, status="cancelled")
    ended = desk.row(job)
    assert (State(ended.state), ended.trained_seconds, ended.cost) == (State.CANCELLED, dear, Decimal(20))
    assert [desk.money().held, desk.money().spent] == [Decimal(0), Decimal(20)]


def test_of_a_success_that_no_event_told_about_what_was_seen_is_charged_and_of_a_failure_nothing(
    desk: Desk, world: str
) -> None:
    at_account(desk, world)
    data = desk.shelf.checked(items())
    at = BEGAN + timedelta(seconds=90)
    for state, seconds in ((State.SUCCEEDED, 90), (State.FAILED, 0)):
        job = desk.submit(data, **reinforcement(desk))
        desk.write(job, lambda _, row: start(row))
        desk.write(job, partial(progress.end_at_provider, state=state, message="It is over.", at=at))
        assert desk.row(job).trained_seconds == seconds


BEGAN = clock.now()


def start(row: Job) -> None:
    row.provider_job_id, row.submitted_at, row.state = f"ftjob-{row.id}", BEGAN, State.VALIDATING_FILES
    row.due_at = BEGAN


def look(job: Job, said: str, *, after: int, status: str = "running") -> None:
    """A worker looks and is told this event, so many seconds after the start on the provider's clock."""
    age(job)
    (seen,) = following.looks_of([claim(FOLLOW, job)])
    kind = "metrics" if said.startswith("Step") else "message"
    event = RemoteEvent("ftevent-1", BEGAN + timedelta(seconds=after), "info", kind, said, {})
    remote = RemoteJob(
        id=f"ftjob-{job.id}", status=status, model=BY_HOUR, created_at=BEGAN, training_file="file-1", seed=None,
        key=None, fine_tuned_model=None, trained_tokens=None, epochs=None, finished_at=None, estimated_finish=None,
        error_code=None, error_message=None, result_files=(),
    )  # fmt: skip
    following.record_progress(seen, following.Answer(remote, [event]))
