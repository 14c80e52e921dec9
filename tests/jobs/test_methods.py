"""A job of each method through the API, the workers and the emulator; and what only HTTP shows of asking for one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from service.cli.local import PROVIDER_KEY
from tests.jobs.asking import EXACT, items, pairs, reinforcement_is_offered
from tests.stack import Client, Emulator, Team
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")

BY_HOUR = "o4-mini-2025-04-16"


@pytest.fixture(scope="session")
def lab(platform: Any, emulator: Emulator) -> str:
    """An account at the emulator whose provider still offers reinforcement; its id."""
    reinforcement_is_offered("lab")
    operator: Client = platform.operator
    made = operator.post(
        "/v1/connections",
        {
            "name": "lab", "kind": "compatible", "provider": "lab", "base_url": f"{emulator.http.base_url}/v1",
            "api_key": PROVIDER_KEY,
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def data(team: Team, content: bytes, name: str) -> str:
    dataset = team.ready_dataset(content, name)
    assert dataset["state"] == "ready", dataset
    return str(dataset["id"])


def at_provider(emulator: Emulator, job: dict[str, Any]) -> dict[str, Any]:
    """The job as the provider shows it."""
    key = {"Authorization": f"Bearer {PROVIDER_KEY}"}
    view: dict[str, Any] = emulator.http.get(f"/v1/fine_tuning/jobs/{job['provider_job_id']}", headers=key).json()
    return view


def test_preferences_from_pairs_to_a_bill_and_on_from_the_model_they_made(team: Team, emulator: Emulator) -> None:
    dataset = data(team, pairs(), "pairs.jsonl")
    method: dict[str, Any] = {"type": "dpo", "hyperparameters": {"n_epochs": 2, "beta": "0.2", "batch_size": 4}}
    estimate = team.member.post("/v1/jobs/estimate", {"model": "gpt-4o-mini", "dataset": dataset, "method": method})
    job = team.accepted(
        dataset, method=method, suffix="sure", integrations=[{"type": "wandb", "wandb": {"project": "p"}}],
        register={"name": "sure", "alias": "staging"},
    )  # fmt: skip
    assert job["method"]["hyperparameters"] == method["hyperparameters"] | {"learning_rate_multiplier": "auto"}
    done = team.job_in(job["id"], "succeeded", "failed")
    assert done["state"] == "succeeded", done

    (truth,) = emulator.jobs_of(job["id"])
    assert (truth["method"], truth["suffix"]) == ("dpo", "sure")
    assert Decimal(done["cost"]) * 1_000_000 == Decimal(truth["cost_units"])
    price = estimate.json()["price"]
    assert done["estimate_vs_billed"] == {
        "estimated_low": price["low"], "expected": price["expected"], "reserved": price["high"],
        "billed": done["cost"], "ratio": "1.00",
    }  # fmt: skip
    remote = at_provider(emulator, done)
    assert remote["method"]["dpo"]["hyperparameters"] | {"learning_rate_multiplier": 0} == {
        "n_epochs": 2, "beta": 0.2, "batch_size": 4, "learning_rate_multiplier": 0,
    }  # fmt: skip
    assert remote["integrations"] == [{"type": "wandb", "wandb": {"project": "p"}}]

    def alias() -> list[dict[str, Any]]:
        aliases: list[dict[str, Any]] = team.member.get("/v1/models/sure").json()["aliases"]
        return aliases

    (moved,) = until(alias, what="the alias to move to the new version")
    assert (moved["alias"], moved["version"], moved["moved_by"]) == ("staging", 1, "worker")

    further = team.accepted(team.ready(), model="registry:sure@staging")
    assert (further["start_from"], further["model"]) == (done["fine_tuned_model"], "gpt-4o-mini-2024-07-18")
    team.job_in(further["id"], "succeeded")
    assert emulator.jobs_of(further["id"])[0]["continues"] == done["fine_tuned_model"]


def test_reinforcement_from_items_to_a_bill_by_the_second(
    make_team: Callable[..., Team], lab: str, emulator: Emulator
) -> None:
    team = make_team()
    chosen = team.operator.patch(f"/v1/teams/{team.slug}", json={"connection": lab})
    assert chosen.status_code == 200, chosen.text
    request: dict[str, Any] = {
        "model": BY_HOUR,
        "validation_dataset": data(team, items(first=50), "measure.jsonl"),
        "method": {
            "type": "reinforcement",
            "grader": {
                "type": "multi", "name": "m", "graders": {"exact": EXACT}, "calculate_output": "exact",
            },
            "hyperparameters": {"n_epochs": 10, "batch_size": 2, "reasoning_effort": "low"},
        },
        "budget": {"max_cost": "30.00"},
    }  # fmt: skip
    dataset = data(team, items(), "train.jsonl")
    job = team.accepted(dataset, **request)
    assert (job["reserved"], team.budget()["held"]) == ("30.00", "30.00")
    done = team.job_in(job["id"], "succeeded", "failed")
    assert done["state"] == "succeeded", done

    (truth,) = emulator.jobs_of(job["id"])
    assert truth["method"] == "reinforcement"
    assert abs(done["trained_seconds"] - truth["billed_seconds"]) <= 1, "the events tell whole seconds"
    assert Decimal(done["cost"]) == (Decimal(done["trained_seconds"]) * 100 / 3600).quantize(Decimal("1E-10"))
    assert (team.budget()["held"], team.budget()["spent"]) == ("0.00", done["cost"])
    told = done["estimate_vs_billed"]
    assert (told["expected"], told["ratio"], told["reserved"]) == (None, None, "30.00")
    assert at_provider(emulator, done)["method"]["reinforcement"]["hyperparameters"]["reasoning_effort"] == "low"
    total = team.viewer.get("/v1/costs?group_by=job").json()["total"]
    assert (total["reserved"], total["cost"], total["quantity"]) == ("0.00", done["cost"], 0)


def test_labels_are_a_filter_of_the_list(team: Team) -> None:
    dataset = team.ready()
    a, b = (team.accepted(dataset, metadata={"kind": kind, "Run no": "1 & 2"})["id"] for kind in "ab")

    def found(query: str) -> list[str]:
        answer = team.member.get(f"/v1/jobs?{query}")
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["data"]]

    assert found("metadata[Run no]=1+%26+2") == [b, a]
    assert found("metadata%5Bkind%5D=a&metadata[Run no]=1+%26+2") == [a]
    assert found("metadata[kind]=c") == []


@pytest.mark.parametrize(
    "query", ["metadata=x", "metadata[]=x", "metadata[a]=1&metadata[a]=2", "metadata[a]=%00", "metadata[a][b]=1"]
)
def test_what_is_no_filter_is_refused(team: Team, query: str) -> None:
    answer = team.member.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter")
    assert answer.json()["errors"][0]["parameter"] == "metadata"


def test_warnings_come_with_the_202_and_stay_with_the_job(team: Team) -> None:
    job = team.accepted(team.ready(), n_epochs=2)
    assert {one["code"] for one in job["warnings"]} >= {"legacy_name", "few_examples", "no_validation_data"}
    assert team.member.get(f"/v1/jobs/{job['id']}").json()["warnings"] == job["warnings"]


def test_a_job_too_dear_for_its_own_budget_is_told_both_numbers(team: Team) -> None:
    answer = team.submit(team.ready(), budget={"max_cost": "0.0001"})
    assert (answer.status_code, answer.json()["code"]) == (403, "max_cost_exceeded")
    assert answer.headers["x-should-retry"] == "false"
    facts = answer.json()["facts"]
    assert (facts["max_cost"], Decimal(facts["asked"]) > Decimal("0.0001")) == ("0.0001", True)
    assert team.budget()["held"] == "0.00"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"method": {"type": "sft"}}, "#/method"),
        ({"method": {"type": "dpo", "hyperparameters": {"beta": 3}}}, "#/method/hyperparameters/beta"),
        ({"n_epochs": 3, "hyperparameters": {"n_epochs": 4}}, "#/n_epochs"),
        ({"suffix": "…"}, "#/suffix"),
        ({"model": "gpt-4o-mini", "method": {"type": "dpo"}}, "#/dataset"),
        ({"integrations": [{"type": "wandb", "wandb": {}}]}, "#/integrations/0/wandb/project"),
    ],
)
def test_a_wrong_part_of_a_request_is_named(team: Team, body: dict[str, Any], pointer: str) -> None:
    answer = team.submit(team.ready(), **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
