"""What waits for a person, and what an operator can do about it."""

from decimal import Decimal

from sqlalchemy import update

from service import jobs
from service.jobs.models import Job
from service.jobs.rules import State
from service.kit import clock, work
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.ids import read, show
from tests.stack import Emulator, Platform, Team

MODEL = "gpt-4o-mini-2024-07-18"


def stuck(team: Team, **known: object) -> str:
    """A job that workers have given up on, as the work engine leaves it."""
    team_id, dataset = read("team", team.id), team.ready()
    with unit_of_work(worker_for(team_id)) as session:
        job = jobs.submit(session, worker_for(team_id), jobs.JobRequest(model=MODEL, dataset=dataset), clock.now())
        job.state = State.SUBMITTING
        work.ask_for_attention(job, "nobody knows what became of it")
        session.flush()
        if known:
            session.execute(update(Job).where(Job.id == job.id).values(**known))
    return show("job", job.id)


def asking(platform: Platform) -> set[str]:
    return {one["id"] for one in platform.operator.get("/v1/attention?limit=100").json()["data"]}


def test_an_operator_sees_it_lets_workers_try_again_and_it_ends(
    platform: Platform, team: Team, workers: object, emulator: Emulator
) -> None:
    job = stuck(team)
    (told,) = [one for one in platform.operator.get("/v1/attention?limit=100").json()["data"] if one["id"] == job]
    assert told | {"since": ""} == {
        "object": "attention", "id": job, "team": team.id, "state": "submitting",
        "reason": "nobody knows what became of it", "since": "",
    }  # fmt: skip
    with unit_of_work(worker_for(read("team", team.id))) as session:  # as it was before: files are uploaded anew
        session.execute(update(Job).where(Job.id == read("job", job)).values(state=State.UPLOADING))
    assert platform.operator.post(f"/v1/attention/{job}/retry").status_code == 200
    assert team.job_in(job, "succeeded")["attention"] is None
    again = platform.operator.post(f"/v1/attention/{job}/retry")
    assert (again.status_code, again.json()["code"]) == (404, "nothing_waits")


def test_an_operator_ends_it_and_its_money_goes_back(platform: Platform, team: Team, workers: object) -> None:
    job = stuck(team)
    ended = platform.operator.post(f"/v1/attention/{job}/give-up", {"reason": "It was never created."})
    assert ended.status_code == 200, ended.text
    assert (ended.json()["state"], ended.json()["cost"], ended.json()["attention"]) == ("failed", "0.00", None)
    assert (team.budget()["held"], team.budget()["spent"]) == ("0.00", "0.00")
    assert job not in asking(platform)
    again = platform.operator.post(f"/v1/attention/{job}/give-up", {"reason": "Once more."})
    assert (again.status_code, again.json()["code"]) == (409, "no_attention_asked")


def test_what_it_is_known_to_have_trained_is_charged(platform: Platform, team: Team, workers: object) -> None:
    job = stuck(team, provider_job_id=f"ftjob-{team.slug}", state=State.RUNNING)
    body = {"reason": "The provider has lost it.", "trained_tokens": 1000}
    ended = platform.operator.post(f"/v1/attention/{job}/give-up", body).json()
    assert Decimal(ended["cost"]) == Decimal("0.003")
    assert (team.budget()["held"], Decimal(team.budget()["spent"])) == ("0.00", Decimal("0.003"))


def test_only_operators_see_and_settle(platform: Platform, team: Team, workers: object) -> None:
    job = stuck(team)
    for client in (team.admin, team.member):
        assert client.get("/v1/attention").status_code == 403
        assert client.post(f"/v1/attention/{job}/retry").status_code == 403
        assert client.get("/v1/strays").status_code == 403
    assert platform.operator.post("/v1/attention/nonsense/retry").status_code == 404
    assert platform.operator.post("/v1/strays/ftjob-none/dismiss").json()["code"] == "stray_not_found"
