"""Jobs through the API, the workers and the emulator, as a team meets them."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from service.cli.local import LocalStack
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.ids import read
from tests.stack import Emulator, Team, conversations
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")


def test_the_main_job_from_a_file_to_a_resolved_model(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    estimate = team.member.post("/v1/jobs/estimate", {"model": "gpt-4o-mini", "dataset": dataset}).json()
    assert estimate["status"] == "available"
    assert estimate["fits_budget"] is True

    job = team.accepted(dataset, model="gpt-4o-mini", suffix="keeper", register={"name": "keeper"})
    assert (job["state"], job["reserved"]) == ("queued", estimate["price"]["high"])
    assert team.budget()["held"] == estimate["price"]["high"]

    done = team.job_in(job["id"], "succeeded", "failed")
    assert done["state"] == "succeeded", done
    (remote,) = emulator.jobs_of(job["id"])
    assert done["trained_tokens"] == remote["billed_tokens"] == estimate["tokens"]
    assert Decimal(done["cost"]) * 1_000_000 == Decimal(remote["cost_units"])
    assert (team.budget()["held"], team.budget()["spent"]) == ("0.00", done["cost"])

    events = team.member.get(f"/v1/jobs/{job['id']}/events?limit=500").json()["data"]
    assert [event["seq"] for event in events] == list(range(1, done["events"] + 1))
    metrics = team.member.get(f"/v1/jobs/{job['id']}/metrics").json()["data"]
    assert metrics[0]["train_loss"] > metrics[-1]["train_loss"]

    report = team.viewer.get("/v1/costs?group_by=model").json()
    assert report["total"]["settled"] == done["cost"]

    def is_ready() -> bool:
        versions = team.member.get("/v1/models/keeper").json()["versions"]
        return bool(versions[0]["state"] == "ready")

    until(is_ready, what="the model to answer")
    promoted = team.member.put("/v1/models/keeper/aliases/production", {"version": 1, "reason": "first"})
    assert promoted.status_code == 200, promoted.text

    def resolved() -> str | None:
        answer = team.resolver.get("/v1/models/keeper/resolve")
        return answer.json()["model"] if answer.status_code == 200 else None

    assert until(resolved, within=5) == done["fine_tuned_model"]


def test_events_are_read_on_by_their_number(team: Team) -> None:
    job = team.accepted(team.ready())
    team.job_in(job["id"], "succeeded")
    seen, after = [], 0
    while True:
        page = team.member.get(f"/v1/jobs/{job['id']}/events?after={after}&limit=7").json()
        seen += [event["seq"] for event in page["data"]]
        after = page["last_seq"]
        if not page["has_more"]:
            break
    assert seen == list(range(1, len(seen) + 1))
    assert team.member.get(f"/v1/jobs/{job['id']}/events?after={after}").json()["data"] == []


def test_fifty_posts_with_one_key_are_one_job_and_forty_nine_replays(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    member = team.member

    def post(_: int) -> Any:
        return team.submit(dataset, headers={"Idempotency-Key": '"once"'})

    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(post, range(50)))
    assert Counter(answer.status_code for answer in answers) == {202: 50}
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {"true": 49, None: 1}
    assert len({answer.text for answer in answers}) == 1
    assert len(member.get("/v1/jobs").json()["data"]) == 1
    job = answers[0].json()["id"]
    team.job_in(job, "succeeded")
    assert len(emulator.jobs_of(job)) == 1


def test_one_key_for_two_different_requests_is_refused(team: Team) -> None:
    dataset = team.ready()
    headers = {"Idempotency-Key": "k"}
    assert team.submit(dataset, headers=headers).status_code == 202
    other = team.submit(dataset, suffix="other", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_fifty_clients_on_a_budget_for_twenty_jobs_get_exactly_twenty(make_team: Callable[..., Team]) -> None:
    team = make_team(budget="0")
    dataset = team.ready()
    estimate = team.member.post("/v1/jobs/estimate", {"model": "gpt-4o-mini-2024-07-18", "dataset": dataset}).json()
    price = estimate["price"]["high"]
    limit = Decimal(price) * 20 + Decimal(price) / 2
    team.operator.put(f"/v1/teams/{team.slug}/budget", {"monthly_limit": str(limit)})
    _ = team.member
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda _: team.submit(dataset), range(50)))
    assert Counter(answer.status_code for answer in answers) == {202: 20, 403: 30}
    refused = next(answer.json() for answer in answers if answer.status_code == 403)
    assert refused["code"] == "budget_exceeded"
    assert refused["facts"].keys() >= {"limit", "spent", "held", "left", "asked", "resets_at"}
    for answer in answers:
        if answer.status_code == 202:
            team.job_in(answer.json()["id"], "succeeded")
    assert Decimal(team.budget()["spent"]) == Decimal(price) * 20


def test_a_job_may_name_a_dataset_that_is_still_being_checked(team: Team) -> None:
    made = team.member.post(
        "/v1/datasets?filename=slow.jsonl", content=conversations(topic="slow"),
        headers={"Content-Type": "application/jsonl"},
    ).json()  # fmt: skip
    job = team.accepted(made["id"])
    if job["state"] == "waiting_for_dataset":  # a worker may have been quicker than we are
        assert job["reserved"] == "0.00"


def test_a_dataset_with_errors_is_refused_by_name(team: Team) -> None:
    dataset = team.ready_dataset(b'{"messages": []}\n' * 12, "bad.jsonl")
    assert dataset["state"] == "invalid"
    answer = team.submit(dataset["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_invalid")
    assert answer.json()["errors"][0]["pointer"] == "#/dataset"


def test_a_retired_model_is_refused_with_its_replacement(team: Team) -> None:
    answer = team.submit(team.ready(), model="gpt-3.5-turbo-0125")
    assert answer.status_code == 422
    assert "gpt-4.1-mini" in answer.json()["detail"] or "gpt-4o-mini" in answer.json()["detail"]


def test_another_teams_dataset_does_not_exist(team: Team, make_team: Callable[..., Team]) -> None:
    theirs = make_team().ready()
    answer = team.submit(theirs)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["pointer"] == "#/dataset"


def test_cancelling_twice_changes_nothing_and_a_finished_job_cannot_be_cancelled(team: Team) -> None:
    dataset = team.ready()
    job = team.accepted(dataset)
    first = team.member.post(f"/v1/jobs/{job['id']}/cancel")
    assert first.status_code == 202
    done = team.job_in(job["id"], "cancelled", "succeeded")
    again = team.member.post(f"/v1/jobs/{job['id']}/cancel")
    if done["state"] == "cancelled":
        assert again.status_code == 202
    finished = team.accepted(dataset)
    team.job_in(finished["id"], "succeeded")
    late = team.member.post(f"/v1/jobs/{finished['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "job_is_over")


def test_jobs_are_listed_newest_first_by_pages(team: Team) -> None:
    dataset = team.ready()
    made = [team.accepted(dataset)["id"] for _ in range(5)]
    first = team.viewer.get("/v1/jobs?limit=3").json()
    assert [job["id"] for job in first["data"]] == made[:1:-1]
    rest = team.viewer.get(f"/v1/jobs?limit=3&after={first['last_id']}").json()
    assert [job["id"] for job in rest["data"]] == made[1::-1]
    assert rest["has_more"] is False


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"seed": -1}, "#/seed"),
        ({"surprise": 1}, "#/surprise"),
        ({"method": {"type": "supervised", "hyperparameters": {"n_epochs": 51}}}, "#/method/hyperparameters/n_epochs"),
        ({"register": {"name": "No Good"}}, "#/register/name"),
        ({"metadata": {"tuneplane_submission": "x"}}, "#/metadata"),
        ({"metadata": {"a": "\x00"}}, "#/metadata"),
        ({"suffix": "a\x00"}, "#/suffix"),
        ({"method": {"hyperparameters": {"learning_rate_multiplier": "1E-400"}}}, "#/method/hyperparameters"),
    ],
)
def test_a_wrong_field_is_named(team: Team, body: dict[str, Any], pointer: str) -> None:
    answer = team.submit("dset_01m7w6kt9eepp87nc93bk07v4n", **body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize(
    "path", ["/v1/jobs?model=%00", "/v1/models/%00", "/v1/jobs/x/events?after=99999999999999999999", "/v1/jobs/%F0%9F"]
)
def test_no_url_makes_the_server_stumble(team: Team, path: str) -> None:
    assert team.member.get(path).status_code in (404, 422)


def test_nothing_the_database_holds_of_a_job_escapes_its_team(
    team: Team, make_team: Callable[..., Team], database: LocalStack
) -> None:
    from sqlalchemy import func, select

    from service.jobs.models import Job, JobEvent

    team.accepted(team.ready())
    other = make_team()
    with unit_of_work(worker_for(read("team", other.id))) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
        assert session.scalar(select(func.count()).select_from(JobEvent)) == 0
