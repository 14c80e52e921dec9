"""Following many jobs by asking little: one list for all of them, more only about those that have news."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from service.datasets import flows as dataset_flows
from service.jobs import State, flows
from service.jobs.models import Job
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import read
from tests.conftest import Launch
from tests.stack import Emulator, Platform, Team, conversations
from workers.dispatcher import grant_turns

JOBS = 12
LIST = {"method": "GET", "path": "^/v1/fine_tuning/jobs$"}
RETRIEVE = {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+$"}
EVENTS = {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+/events$"}


@dataclass
class Followed:
    """Jobs at a provider whose clock stands still; the test itself is the worker."""

    emulator: Emulator
    team: Team
    jobs: list[UUID]

    def follow(self) -> None:
        """Make all of them due, and look."""
        with unit_of_work(WORKER) as session:
            session.execute(update(Job).where(Job.due_at.is_not(None)).values(due_at=func.clock_timestamp()))
        flows.follow(self.jobs)

    def counted(self) -> dict[str, int]:
        """How often the provider was asked what since the last count."""
        hits = {fault["path"]: fault["hits"] for fault in self.emulator.faults()["faults"]}
        self.count()
        kinds = {"list": LIST, "retrieve": RETRIEVE, "events": EVENTS}
        return {name: hits[kind["path"]] for name, kind in kinds.items()}

    def count(self) -> None:
        """Faults that do nothing, but are counted."""
        self.emulator.http.delete("/_emulator/faults")
        for kind in (LIST, RETRIEVE, EVENTS):
            self.emulator.fault(kind="delay", delay_seconds=0, times=None, **kind)

    def states(self) -> Sequence[tuple[str, int]]:
        with unit_of_work(WORKER) as session:
            rows = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
            return [(row[0], row[1]) for row in rows]


@pytest.fixture
def followed(launch: Launch) -> Iterator[Followed]:
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_emulator(speed=0)
        stack.start_api()
        team = Platform(stack).team()
        posted = team.member.post(
            "/v1/datasets?filename=a.jsonl", content=conversations(), headers={"Content-Type": "application/jsonl"}
        ).json()
        dataset_flows.validate([read("dset", posted["id"])])
        jobs = [read("job", team.accepted(posted["id"])["id"]) for _ in range(JOBS)]
        for _ in jobs:  # some at a time get a turn, and the first uploads the file
            grant_turns()
            flows.submit(jobs)
        made = Followed(Emulator(stack.emulator_url), team, jobs)
        made.count()
        yield made


def test_jobs_without_news_cost_one_list_together(followed: Followed) -> None:
    followed.follow()
    assert followed.counted() == {"list": 1, "retrieve": 0, "events": 0}
    assert followed.states() == [(State.VALIDATING_FILES, JOBS)]


def test_only_jobs_with_news_are_asked_about(followed: Followed) -> None:
    followed.emulator.advance(12)
    followed.follow()
    assert followed.counted() == {"list": 1, "retrieve": 0, "events": JOBS}
    assert followed.states() == [(State.RUNNING, JOBS)]
    followed.emulator.advance(3600)
    followed.follow()
    assert followed.states() == [(State.SUCCEEDED, JOBS)]


def test_jobs_that_had_ended_when_they_were_found_end_with_all_they_have_to_tell(followed: Followed) -> None:
    followed.emulator.advance(3600)
    with unit_of_work(worker_for(read("team", followed.team.id))) as session:
        session.execute(update(Job).values(provider_status="succeeded"))
    followed.follow()
    assert followed.states() == [(State.SUCCEEDED, JOBS)]
    job = followed.team.member.get("/v1/jobs").json()["data"][0]["id"]
    assert followed.team.member.get(f"/v1/jobs/{job}/metrics").json()["data"]


def test_a_job_the_list_does_not_show_yet_is_asked_for_by_itself(followed: Followed) -> None:
    followed.emulator.set(list_lag_seconds=3600)
    followed.emulator.advance(12)
    followed.follow()
    assert followed.counted() == {"list": 1, "retrieve": JOBS, "events": JOBS}
    assert followed.states() == [(State.RUNNING, JOBS)]


def test_an_account_that_does_not_answer_is_asked_once_and_later_again(followed: Followed) -> None:
    followed.emulator.fault(kind="status", status=500, **LIST)
    followed.follow()
    assert followed.counted()["retrieve"] == 0
    followed.emulator.advance(12)
    followed.follow()
    assert followed.states() == [(State.RUNNING, JOBS)]
