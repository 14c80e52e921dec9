"""A worker dies or sleeps at every step of a submission, once each: the job still ends, and there is one of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.cli.local import PYTHON
from service.jobs.models import Job
from service.jobs.rules import TERMINAL, submit_key
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.ids import read
from tests.conftest import Launch
from tests.launcher import order
from tests.stack import Emulator, Platform, Team, conversations
from tests.until import until

# The points of docs/protocol.md, as a step and the side of it on which the worker is struck.
POINTS = [
    pytest.param("submission.claim", "after", id="P1-after-claim"),
    pytest.param("submission.reread", "after", id="P2-after-lock"),
    pytest.param("submission.intent", "before", id="P3-before-intent"),
    pytest.param("submission.intent", "after", id="P4-before-call"),
    pytest.param("gateway.create_job", "after", id="P6-reply-read-not-recorded"),
    pytest.param("submission.record", "after", id="P8-recorded-not-unlocked"),
    pytest.param("submission.search", "before", id="before-search"),
    pytest.param("following.record_progress", "before", id="seen-not-recorded"),
    pytest.param("following.record_progress", "after", id="recorded"),
]


@dataclass
class Site:
    """A platform whose workers obey strikes."""

    emulator: Emulator
    team: Team
    strikes: Path
    dataset: str


@pytest.fixture(scope="module")
def site(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    strikes = tmp_path_factory.mktemp("strikes")
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_emulator(speed=400)
        stack.start_api()
        stack.start_dispatcher()
        launcher = [str(PYTHON), "-m", "tests.launcher", "worker", f'{{"strikes": "{strikes}"}}']
        stack.start_worker(concurrency=3, launcher=launcher)
        team = Platform(stack).team()
        yield Site(Emulator(stack.emulator_url), team, strikes, team.ready_dataset(conversations())["id"])


@pytest.mark.parametrize("how", ["KILL", "STOP"])
@pytest.mark.parametrize(("step", "when"), POINTS)
def test_a_worker_struck_anywhere_costs_nothing_twice(site: Site, step: str, when: str, how: str) -> None:
    if step == "submission.search":  # only a job whose creation is unknown is searched for
        site.emulator.fault(kind="create_then_drop", method="POST", path="^/v1/fine_tuning/jobs$")
    struck = order(site.strikes, step, when, how)
    job = site.team.submit(site.dataset).json()["id"]
    until(struck.exists, within=30, what=f"a worker to be struck {when} {step}")
    if how == "STOP":
        wake_when_overtaken(int(struck.read_text()), job)
    struck.unlink()
    done = site.team.job_in(job, "succeeded", "failed", within=40)
    assert done["state"] == "succeeded"
    check_that_it_is_one(site.emulator, done)


def wake_when_overtaken(sleeper: int, job: str) -> None:
    """Let the sleeper go on only after another worker has claimed the job."""
    then = fence_of(job)
    try:
        until(lambda: fence_of(job) > then or is_over(job), within=30, what="another worker to claim the job")
    finally:
        os.kill(sleeper, signal.SIGCONT)


def fence_of(job: str) -> int:
    with unit_of_work(WORKER) as session:
        return session.scalars(select(Job.fence).where(Job.id == read("job", job))).one()


def is_over(job: str) -> bool:
    """The sleeper may have written the job's end just before it was struck: then nobody claims it again."""
    with unit_of_work(WORKER) as session:
        return session.scalars(select(Job.state).where(Job.id == read("job", job))).one() in TERMINAL


def check_that_it_is_one(emulator: Emulator, done: dict[str, Any]) -> None:
    key = submit_key("test", read("job", done["id"]))
    remotes = [one for one in emulator.log()["jobs"] if one["metadata"].get("tuneplane_submission") == key]
    assert [one["status"] for one in remotes if one["status"] != "cancelled"] == ["succeeded"]
    assert Decimal(done["cost"]) * 1_000_000 == sum(Decimal(one["cost_units"]) for one in remotes)
