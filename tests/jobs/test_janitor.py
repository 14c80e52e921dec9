"""What slipped through at the provider: adopted, cancelled and paid for, or told."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from service import jobs
from service.jobs.flows.janitor import is_one_too_many, sweep_jobs
from service.jobs.flows.orders import Order
from service.jobs.models import Job, StrayJob
from service.jobs.rules import State, submit_key
from service.kit import clock, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import new_id, read, show
from service.kit.work import Claim
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob
from tests.jobs.accounts import credentials
from tests.stack import Emulator, Team
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")


def create_another(team: Team, shown: str) -> RemoteJob:
    """The same job once more at the provider, as a worker would that nobody kept from it."""
    with unit_of_work(worker_for(read("team", team.id))) as session:
        job = session.get_one(Job, read("job", shown))
    _, account = credentials()
    order = Order(Claim(job.id, job.team_id, job.fence, 0), job, account)
    return gateway.create_job(account, order.as_provider_takes_it())


def stray(remote: RemoteJob) -> StrayJob | None:
    """As met through the default connection; other tests' connections lead to the same account."""
    with unit_of_work(WORKER) as session:
        return session.get(StrayJob, (credentials()[0], remote.id))


def test_a_second_job_is_cancelled_in_one_round_and_told_once(team: Team, emulator: Emulator) -> None:
    job = team.accepted(team.ready())
    team.job_in(job["id"], "succeeded")
    with emulator.standing_still():
        extra = create_another(team, job["id"])
        sweep_jobs()
    statuses = {one["id"]: one["status"] for one in emulator.jobs_of(job["id"])}
    assert statuses[extra.id] == "cancelled"
    assert sorted(statuses.values()) == ["cancelled", "succeeded"]
    found = stray(extra)
    assert found is not None
    assert (found.kind, found.settled_at is not None) == ("duplicate", True)
    sweep_jobs()
    assert stray(extra).found_at == found.found_at  # type: ignore[union-attr]
    assert len(emulator.jobs_of(job["id"])) == 2


def test_a_second_job_that_the_provider_will_not_end_hides_no_other(team: Team, emulator: Emulator) -> None:
    job = team.accepted(team.ready())
    team.job_in(job["id"], "succeeded")
    other, stubborn = create_another(team, job["id"]), create_another(team, job["id"])  # met the newest first
    fault = emulator.fault(kind="status", status=400, method="POST", path=f"/{stubborn.id}/cancel$", times=None)
    try:
        sweep_jobs()
    finally:
        emulator.http.delete(f"/_emulator/faults/{fault}")
    assert [stray(one) is not None for one in (stubborn, other)] == [True, True]
    until(lambda: gateway.get_job(credentials()[1], stubborn.id).is_over, within=20, what="its end by itself")
    sweep_jobs()
    assert stray(stubborn).settled_at is not None  # type: ignore[union-attr]


def test_a_second_job_that_has_trained_is_a_second_bill_and_the_ledger_has_it(team: Team, emulator: Emulator) -> None:
    job = team.accepted(team.ready())
    team.job_in(job["id"], "succeeded")
    extra = create_another(team, job["id"])
    _, account = credentials()
    until(lambda: gateway.get_job(account, extra.id).status == "succeeded", within=20, what="the second job's end")
    sweep_jobs()
    billed = sum(Decimal(one["cost_units"]) for one in emulator.jobs_of(job["id"])) / 1_000_000
    settled = team.member.get("/v1/costs").json()["total"]["cost"]
    assert Decimal(settled) == billed > Decimal(team.job_in(job["id"], "succeeded")["cost"])
    assert (team.budget()["held"], Decimal(team.budget()["spent"])) == ("0.00", billed)


def test_a_second_bill_leaves_what_is_held_for_the_job_that_still_runs(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    with emulator.standing_still():
        job = team.accepted(dataset, n_epochs=20)
        while team.job_in(job["id"], *State)["state"] != "running":
            emulator.advance(1)
        team.member.post(f"/v1/jobs/{job['id']}/pause")
        team.job_in(job["id"], "paused")
    held = team.budget()["held"]
    extra = create_another(team, job["id"])
    _, account = credentials()
    until(lambda: gateway.get_job(account, extra.id).status == "succeeded", within=20, what="the second job's end")
    sweep_jobs()
    assert (team.budget()["held"], Decimal(team.budget()["spent"]) > 0) == (held, True)
    team.member.post(f"/v1/jobs/{job['id']}/resume")
    team.job_in(job["id"], "succeeded")
    billed = sum(Decimal(one["cost_units"]) for one in emulator.jobs_of(job["id"])) / 1_000_000
    assert (team.budget()["held"], Decimal(team.budget()["spent"])) == ("0.00", billed)


def test_a_job_nobody_recorded_is_adopted(team: Team, emulator: Emulator) -> None:
    first = team.job_in(team.accepted(team.ready())["id"], "succeeded")
    lost = given_up(team, first)
    remote = create_another(team, lost)
    sweep_jobs()
    found = stray(remote)
    assert found is not None
    assert (found.kind, found.settled_at is not None) == ("adopted", True)
    done = team.job_in(lost, "succeeded")
    assert (done["provider_job_id"], done["attention"]) == (remote.id, None)
    assert len(emulator.jobs_of(lost)) == 1


def given_up(team: Team, like: dict[str, Any]) -> str:
    """A job whose creation nobody could settle, as a person would find it: unresolved and asking for attention."""
    team_id = read("team", team.id)
    request = jobs.JobRequest(model=like["model"], dataset=like["dataset"])
    with unit_of_work(worker_for(team_id)) as session:
        uploaded = session.get_one(Job, read("job", like["id"])).provider_file_id
        job = jobs.submit(session, worker_for(team_id), request, clock.now())
        job.state, job.intent_at, job.provider_file_id = State.SUBMITTING, clock.now(), uploaded
        work.ask_for_attention(job, "nobody knows")
    return show("job", job.id)


def test_our_kind_of_key_without_a_row_is_told_once_and_left_alone(team: Team, emulator: Emulator) -> None:
    job = team.job_in(team.accepted(team.ready())["id"], "succeeded")
    with unit_of_work(worker_for(read("team", team.id))) as session:
        row = session.get_one(Job, read("job", job["id"]))
    _, account = credentials()
    order = replace(
        Order(Claim(row.id, row.team_id, row.fence, 0), row, account).as_provider_takes_it(),
        key=submit_key("elsewhere", new_id()),
    )
    remote = gateway.create_job(account, order)
    for _ in range(2):
        sweep_jobs()
    found = stray(remote)
    assert found is not None
    assert (found.kind, found.settled_at) == ("unknown", None)
    (left_alone,) = [one for one in emulator.log()["jobs"] if one["id"] == remote.id]
    assert left_alone["status"] != "cancelled"


def test_a_job_still_to_be_found_is_left_alone_through_another_connection(team: Team, emulator: Emulator) -> None:
    """Two connections may lead to one account, say while keys are rotated: what is seen twice is not there twice."""
    first = team.job_in(team.accepted(team.ready())["id"], "succeeded")
    lost = given_up(team, first)
    remote = create_another(team, lost)
    row = read("job", lost)
    assert not is_one_too_many(row, remote)
    sweep_jobs()
    team.job_in(lost, "succeeded")
    assert not is_one_too_many(row, remote)
    assert is_one_too_many(row, replace(remote, id="ftjob-another"))
