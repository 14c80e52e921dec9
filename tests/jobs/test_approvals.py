"""Dear jobs wait for a second person, and nothing of them leaves the house before that person agrees."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text, update

from service.jobs.models import Job
from service.jobs.rules import file_name
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, worker_for
from service.kit.ids import read
from tests.stack import SETTINGS, Client, Emulator, Team

pytestmark = pytest.mark.usefixtures("workers")


@pytest.fixture
def strict(team: Team) -> Team:
    """A team in which every job that costs anything needs a second person."""
    put = team.operator.put(f"/v1/teams/{team.slug}/limits", {"approval_above": "0"})
    assert put.status_code == 200, put.text
    return team


def waiting(team: Team, topic: str = "tide") -> dict[str, Any]:
    job = team.accepted(team.ready(topic))
    assert job["state"] == "awaiting_approval"
    return job


def decide(client: Client, job: dict[str, Any], verb: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """Status, and the state or the error's code."""
    answer = client.post(f"/v1/jobs/{job['id']}/{verb}", body)
    return answer.status_code, answer.json().get("state") or answer.json()["code"]


def audited(job: dict[str, Any]) -> list[tuple[str, str]]:
    """Who decided what."""
    entries = text(
        "SELECT action, actor FROM audit_entries WHERE object_id = :job AND action <> 'job.submitted' ORDER BY id"
    )
    with read_only(CLI) as session:
        return [(row.action, row.actor) for row in session.execute(entries, {"job": job["id"]})]


def age(team: Team, job: dict[str, Any], **columns: timedelta) -> None:
    """Let so much time have passed for these columns of the job's row."""
    with unit_of_work(worker_for(read("team", team.id))) as session:
        moved = {name: getattr(Job, name) - by for name, by in columns.items()}
        session.execute(update(Job).where(Job.id == read("job", job["id"])).values(moved))


def test_nothing_is_uploaded_before_somebody_else_agrees(strict: Team, emulator: Emulator) -> None:
    ask = {"model": "gpt-4o-mini", "dataset": strict.ready("first light")}
    assert strict.member.post("/v1/jobs/estimate", ask).json()["needs_approval"] is True
    job = waiting(strict, "first light")
    approval = job["approval"]
    assert approval | {"expires_at": None} == {
        "required_above": "0.00", "expires_at": None, "decision": None, "by": None, "at": None, "note": None,
    }  # fmt: skip
    assert strict.budget()["held"] == job["reserved"]
    assert [one["id"] for one in strict.viewer.get("/v1/jobs?state=awaiting_approval").json()["data"]] == [job["id"]]

    assert decide(strict.admin, job, "approve") == (202, "queued")
    done = strict.job_in(job["id"], "succeeded", "failed")
    assert done["state"] == "succeeded", done
    assert done["approval"]["decision"] == "approved"

    sha256 = strict.member.get(f"/v1/datasets/{job['dataset']}").json()["sha256"]
    name = file_name(SETTINGS["environment"], sha256)
    (uploaded,) = (one for one in emulator.log()["effects"] if one.get("filename") == name)
    assert uploaded["real_at"] > datetime.fromisoformat(done["approval"]["at"]).timestamp()


def test_a_request_is_told_and_on_record(strict: Team) -> None:
    job = waiting(strict)
    events = strict.viewer.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert events[-1]["message"].startswith(f"At {job['reserved']} USD it waits for a second person's approval until ")
    statement = text("SELECT data FROM events WHERE type = 'approval.requested' AND data->>'id' = :job")
    with read_only(CLI) as session:
        (told,) = session.scalars(statement, {"job": job["id"]}).all()
    assert (told["price"], told["requested_by"]) == (job["reserved"], job["created_by"])


def test_whoever_submitted_a_job_does_not_decide_about_it(strict: Team) -> None:
    dataset = strict.ready()
    own = strict.admin.post("/v1/jobs", {"model": "gpt-4o-mini", "dataset": dataset}).json()
    for verb in ("approve", "decline"):
        assert decide(strict.admin, own, verb) == (403, "own_request")
        assert decide(strict.member, own, verb) == (403, "scope_missing")
    assert strict.viewer.get(f"/v1/jobs/{own['id']}").json()["state"] == "awaiting_approval"
    assert decide(strict.client("admin"), own, "approve")[0] == 202


def test_an_operator_decides_in_the_jobs_own_team(strict: Team) -> None:
    job = waiting(strict)
    assert decide(strict.operator, job, "decline", {"note": "Too dear."}) == (202, "cancelled")
    view = strict.viewer.get(f"/v1/jobs/{job['id']}").json()["approval"]
    operator = strict.operator.get("/v1/me").json()["key"]
    assert (view["decision"], view["by"], view["note"]) == ("declined", operator, "Too dear.")
    assert audited(job) == [("job.declined", operator)]
    assert decide(strict.operator, {"id": "job_01m7w6kt9eepp87nc93bk07v4n"}, "approve") == (404, "job_not_found")


def test_a_declined_job_gives_its_money_back_and_stays_declined(strict: Team, emulator: Emulator) -> None:
    job = waiting(strict)
    assert decide(strict.admin, job, "decline") == (202, "cancelled")
    assert strict.budget()["held"] == "0.00"
    assert decide(strict.admin, job, "decline") == (202, "cancelled")
    assert decide(strict.admin, job, "approve") == (409, "already_decided")
    assert len(audited(job)) == 1
    assert emulator.jobs_of(job["id"]) == []


def test_a_repeated_job_asks_again_and_whoever_repeats_it_is_its_requester(strict: Team) -> None:
    job = waiting(strict)
    assert decide(strict.admin, job, "decline")[0] == 202
    again = strict.admin.post(f"/v1/jobs/{job['id']}/retry").json()
    assert (again["state"], again["approval"]["decision"]) == ("awaiting_approval", None)
    assert decide(strict.admin, again, "approve") == (403, "own_request")
    clone = strict.member.post(f"/v1/jobs/{job['id']}/clone").json()
    assert clone["state"] == "awaiting_approval"


def test_approving_again_changes_nothing_whatever_became_of_the_job(strict: Team) -> None:
    job = waiting(strict)
    assert decide(strict.admin, job, "approve")[0] == 202
    strict.job_in(job["id"], "succeeded")
    assert decide(strict.operator, job, "approve") == (202, "succeeded")
    assert decide(strict.admin, job, "decline") == (409, "already_decided")
    assert len(audited(job)) == 1


def test_what_waits_for_nobody_cannot_be_decided(make_team: Callable[..., Team], strict: Team) -> None:
    cheap = make_team()
    job = cheap.accepted(cheap.ready())
    assert job["approval"] is None
    assert decide(cheap.admin, job, "approve") == (409, "not_awaiting_approval")
    withdrawn = waiting(strict)
    assert strict.member.post(f"/v1/jobs/{withdrawn['id']}/cancel").json()["state"] == "cancelled"
    assert decide(strict.admin, withdrawn, "approve") == (409, "not_awaiting_approval")
    assert strict.budget()["held"] == "0.00"


def test_a_job_nobody_decides_about_in_time_is_cancelled(strict: Team) -> None:
    job = waiting(strict)
    expires_at = datetime.fromisoformat(job["approval"]["expires_at"])
    assert expires_at - datetime.fromisoformat(job["created_at"]) > timedelta(hours=71)
    age(strict, job, approval_expires_at=timedelta(days=4), due_at=timedelta(days=4))
    ended = strict.job_in(job["id"], "cancelled")
    assert (ended["approval"]["decision"], ended["approval"]["by"]) == ("expired", "worker")
    assert strict.budget()["held"] == "0.00"
    assert audited(job) == [("job.expired", "worker")]
    assert decide(strict.admin, job, "approve") == (409, "approval_expired")


def test_the_time_to_decide_is_over_even_before_a_worker_says_so(strict: Team) -> None:
    job = waiting(strict)
    age(strict, job, approval_expires_at=timedelta(days=4))
    assert decide(strict.admin, job, "approve") == (409, "approval_expired")
    assert strict.viewer.get(f"/v1/jobs/{job['id']}").json()["state"] == "awaiting_approval"


def test_of_two_opposite_words_at_once_one_stands(strict: Team) -> None:
    job = waiting(strict)
    deciders = [strict.client("admin") for _ in range(4)]
    with ThreadPoolExecutor(8) as crowd:
        verbs = ["approve", "decline"] * 4
        told = list(crowd.map(lambda verb, client: (verb, decide(client, job, verb)[0]), verbs, deciders * 2))
    assert Counter(status for _, status in told) == {202: 4, 409: 4}
    assert len({verb for verb, status in told if status == 202}) == 1
    assert len(audited(job)) == 1
    ended = strict.job_in(job["id"], "succeeded", "cancelled")
    assert strict.budget()["held"] == "0.00"
    assert Decimal(strict.budget()["spent"]) == Decimal(ended["cost"])
