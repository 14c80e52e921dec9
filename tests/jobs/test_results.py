"""What came out of a job, after its end: curves, checkpoints, the provider's table, advice, versions."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from service.cli.local import PROVIDER_KEY
from service.jobs.flows import collecting
from service.jobs.models import Job, JobEvent
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import read
from tests.jobs.asking import EXACT, items, pairs, reinforcement_is_offered
from tests.stack import Emulator, Team, conversations
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")

EPOCHS = 25
EXAMPLES = 12
STEPS = EPOCHS * EXAMPLES
CONTENT = {"method": "GET", "path": "^/v1/files/[^/]+/content$"}


@pytest.fixture(scope="module")
def overfitted(request: pytest.FixtureRequest) -> tuple[Team, dict[str, Any]]:
    """A job that went over twelve examples 25 times, as anybody would advise against."""
    request.getfixturevalue("workers")
    team: Team = request.getfixturevalue("platform").team()
    validation = team.ready_dataset(conversations(EXAMPLES, topic="moon"))["id"]
    job = team.accepted(
        team.ready_dataset(conversations(EXAMPLES, topic="tide"))["id"],
        validation_dataset=validation,
        method={"type": "supervised", "hyperparameters": {"n_epochs": EPOCHS, "batch_size": 1}},
        register={"name": "tide"},
    )
    assert team.job_in(job["id"], "succeeded", "failed")["state"] == "succeeded"
    return team, team.collected(job["id"])


def test_the_curves_have_the_steps_that_events_told_and_those_that_only_the_table_has(
    overfitted: tuple[Team, dict[str, Any]],
) -> None:
    team, job = overfitted
    events = team.member.get(f"/v1/jobs/{job['id']}/events?limit=500").json()["data"]
    told = {event["data"]["step"] for event in events if event["type"] == "metrics"}
    curve = team.member.get(f"/v1/jobs/{job['id']}/metrics").json()["data"]
    assert len(told) < STEPS
    assert [row["step"] for row in curve] == list(range(1, STEPS + 1))
    assert {row["total_steps"] for row in curve} == {STEPS}
    assert all(row["train_loss"] is not None for row in curve)
    assert sum(row["full_valid_loss"] is not None for row in curve) == EPOCHS
    assert [row["at"] for row in curve] == sorted(row["at"] for row in curve)
    beyond = team.member.get(f"/v1/jobs/{job['id']}/metrics?after={STEPS - 2}").json()["data"]
    assert beyond == curve[-2:]


def test_the_curves_come_as_csv_flat_and_whole(overfitted: tuple[Team, dict[str, Any]]) -> None:
    team, job = overfitted
    path = f"/v1/jobs/{job['id']}/metrics"
    answer = team.member.get(path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{job["id"]}-metrics.csv"'
    assert answer.text == team.member.get(f"{path}?format=csv").text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    curve = team.member.get(path).json()["data"]
    assert [float(row["train_loss"]) for row in rows] == [row["train_loss"] for row in curve]
    assert {row["job"] for row in rows} == {job["id"]}
    assert {row["train_mean_reward"] for row in rows} == {""}


def test_the_providers_table_is_kept_decoded(overfitted: tuple[Team, dict[str, Any]]) -> None:
    team, job = overfitted
    answer = team.member.get(f"/v1/jobs/{job['id']}/results")
    assert answer.headers["content-disposition"] == f'attachment; filename="{job["id"]}-results.csv"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))


def test_advice_names_the_overfitting_its_numbers_and_fewer_epochs(overfitted: tuple[Team, dict[str, Any]]) -> None:
    team, job = overfitted
    found = team.member.get(f"/v1/jobs/{job['id']}/advice").json()["data"]
    assert [one["code"] for one in found] == ["overfitting", "too_few_examples"]
    assert found[0]["evidence"]["end_valid_loss"] > found[0]["evidence"]["best_valid_loss"]
    assert 1 <= found[0]["suggestion"]["n_epochs"] < 5
    assert found[1]["evidence"]["examples"] == EXAMPLES


def test_a_checkpoint_becomes_a_version_like_any_other(overfitted: tuple[Team, dict[str, Any]]) -> None:
    team, job = overfitted
    checkpoints = team.member.get(f"/v1/jobs/{job['id']}/checkpoints").json()["data"]
    assert [one["step"] for one in checkpoints] == [STEPS - 2 * EXAMPLES, STEPS - EXAMPLES, STEPS]
    assert checkpoints[-1]["model"] == job["fine_tuned_model"]
    assert all(one["metrics"]["full_valid_loss"] > 0 for one in checkpoints)
    wanted = {"job": job["id"], "checkpoint_step": checkpoints[0]["step"]}
    made = team.member.post("/v1/models/tide/versions", wanted)
    assert made.status_code == 201, made.text
    assert (made.json()["number"], made.json()["model"]) == (2, checkpoints[0]["model"])
    assert team.member.post("/v1/models/tide/versions", wanted).json()["id"] == made.json()["id"]

    def ready() -> bool:
        versions = team.member.get("/v1/models/tide").json()["versions"]
        return "ready" in {one["state"] for one in versions if one["number"] == made.json()["number"]}

    until(ready, within=20, what="the checkpoint to answer")
    assert team.member.put("/v1/models/tide/aliases/production", {"version": 2}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"checkpoint_step": 1}, 404, "checkpoint_not_found", "#/checkpoint_step"),
        ({"job": "job_01m7w6kt9eepp87nc93bk07v4n"}, 404, "job_not_found", "#/job"),
        ({"job": "no id"}, 404, "job_not_found", "#/job"),
        ({}, 409, "model_already_registered", None),  # it is version 1 of `tide`
    ],
)
def test_what_cannot_be_a_version_is_refused_with_its_reason(
    overfitted: tuple[Team, dict[str, Any]], body: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    team, job = overfitted
    answer = team.member.post("/v1/models/elsewhere/versions", {"job": job["id"], **body})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [blame["pointer"] for blame in answer.json()["errors"]] == ([pointer] if pointer else [])
    assert team.member.get("/v1/models/elsewhere").status_code == 404


def test_a_preference_job_is_measured_by_its_loss(team: Team) -> None:
    dataset = team.ready_dataset(pairs())["id"]
    job = team.accepted(dataset, method={"type": "dpo", "hyperparameters": {"n_epochs": 3}})
    assert team.collected(job["id"])["state"] == "succeeded"
    curve = team.member.get(f"/v1/jobs/{job['id']}/metrics").json()["data"]
    assert curve[-1]["step"] == len(curve) == curve[-1]["total_steps"]
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


@pytest.fixture
def rewarding(make_team: Callable[..., Team], emulator: Emulator) -> Team:
    """A team at an account that still offers reinforcement."""
    team = make_team()
    reinforcement_is_offered("rewards")
    account = {"name": f"of {team.slug}", "kind": "compatible", "provider": "rewards", "api_key": PROVIDER_KEY}
    made = team.operator.post("/v1/connections", {**account, "base_url": f"{emulator.http.base_url}/v1"})
    assert made.status_code == 201, made.text
    assert team.operator.patch(f"/v1/teams/{team.slug}", json={"connection": made.json()["id"]}).status_code == 200
    return team


def test_a_reinforcement_job_is_measured_by_its_rewards_and_a_grader_that_never_varies_is_told(
    rewarding: Team,
) -> None:
    team = rewarding
    job = team.accepted(
        team.ready_dataset(items())["id"],
        model="o4-mini-2025-04-16",
        validation_dataset=team.ready_dataset(items(first=50))["id"],
        method={
            "type": "reinforcement",
            "grader": {**EXACT, "reference": "no answer is this"},
            "hyperparameters": {"n_epochs": 2},
        },
        budget={"max_cost": "30.00"},
    )
    assert team.collected(job["id"])["state"] == "succeeded"
    curve = team.member.get(f"/v1/jobs/{job['id']}/metrics").json()["data"]
    assert {row["train_mean_reward"] for row in curve} == {0.0}
    assert any(row["full_valid_mean_parse_error"] == 0.0 for row in curve)
    advice = team.member.get(f"/v1/jobs/{job['id']}/advice").json()["data"]
    assert [one["code"] for one in advice] == ["reward_flat", "too_few_examples"]


@pytest.fixture
def plain(emulator: Emulator) -> Iterator[None]:
    """A provider that gives its tables as they are."""
    emulator.set(results_base64=False)
    yield
    emulator.set(results_base64=True)


@pytest.mark.usefixtures("plain")
def test_a_table_that_is_not_in_base64_is_the_same(team: Team) -> None:
    job = team.accepted(team.ready())
    team.collected(job["id"])
    assert team.member.get(f"/v1/jobs/{job['id']}/results").text.startswith("step,train_loss")


def test_a_table_that_cannot_be_had_is_given_up_with_a_word_and_the_job_stays_as_it_ended(
    team: Team, emulator: Emulator
) -> None:
    emulator.fault(kind="status", status=404, times=None, **CONTENT)
    job = team.accepted(team.ready())
    ended = team.job_in(job["id"], "succeeded")
    given_up = until(lambda: hurried(team, job["id"]), within=30, what="the table given up")
    assert (given_up["state"], given_up["cost"], given_up["attention"]) == ("succeeded", ended["cost"], None)
    answer = team.member.get(f"/v1/jobs/{job['id']}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_results")
    assert len(team.member.get(f"/v1/jobs/{job['id']}/checkpoints").json()["data"]) == 3
    with unit_of_work(worker_for(read("team", team.id))) as session:
        last = session.scalars(
            select(JobEvent.message).where(JobEvent.job_id == read("job", job["id"])).order_by(JobEvent.seq.desc())
        ).first()
    assert last is not None
    assert last.startswith("What came out could not be fetched")


def hurried(team: Team, job: str) -> dict[str, Any] | None:
    """The job if it is collected; its next try comes at once."""
    with unit_of_work(WORKER) as session:
        waits = (Job.id == read("job", job), Job.due_at.is_not(None), Job.lease_until.is_(None))
        session.execute(update(Job).where(*waits).values(due_at=func.clock_timestamp(), hinted_at=None))
    view: dict[str, Any] = team.member.get(f"/v1/jobs/{job}").json()
    return view if view["collected_at"] else None


def test_there_are_no_results_before_the_end_and_none_of_a_job_that_was_cancelled(
    team: Team, emulator: Emulator
) -> None:
    stuck = {"kind": "stuck", "status": "queued", "metadata": {"team": team.slug}}
    assert emulator.http.post("/_emulator/fates", json=stuck).is_success
    job = team.accepted(team.ready(), metadata={"team": team.slug})
    team.job_in(job["id"], "provider_queued")
    answer = team.member.get(f"/v1/jobs/{job['id']}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "results_not_ready")
    assert answer.headers["retry-after"] == "5"
    assert team.member.get(f"/v1/jobs/{job['id']}/checkpoints").json()["data"] == []
    team.member.post(f"/v1/jobs/{job['id']}/cancel")
    assert team.collected(job["id"])["state"] == "cancelled"
    answer = team.member.get(f"/v1/jobs/{job['id']}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_results")


def test_a_job_the_provider_never_had_has_neither_results_nor_a_model(team: Team, emulator: Emulator) -> None:
    emulator.fault(kind="status", status=400, code="model_not_available", method="POST", path="^/v1/fine_tuning/jobs$")
    refused = team.accepted(team.ready())
    team.job_in(refused["id"], "failed")
    answer = team.member.get(f"/v1/jobs/{refused['id']}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_results")
    assert team.member.post("/v1/models/x/versions", {"job": refused["id"]}).json()["code"] == "job_has_no_model"


def test_a_job_whose_every_try_breaks_off_never_asks_for_a_person(team: Team) -> None:
    job = team.accepted(team.ready())
    before = team.collected(job["id"])
    with unit_of_work(
        worker_for(read("team", team.id))
    ) as session:  # as if the worker had died over it again and again
        session.execute(
            update(Job)
            .where(Job.id == read("job", job["id"]))
            .values(due_at=func.clock_timestamp(), attempts=collecting.TRIES_MAX, collected_at=None)
        )
    after = team.collected(job["id"])
    assert (after["state"], after["attention"], after["events"]) == ("succeeded", None, before["events"] + 1)
