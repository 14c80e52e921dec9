"""A worker dies or sleeps at every step of a submission, once each: the job still ends, and there is one of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from service.cli.local import PYTHON, LocalStack
from service.jobs.rules import submit_key
from service.kit.ids import read
from tests.conftest import Launch
from tests.stack import Emulator, Platform, Team, conversations, in_this_process, seed
from tests.until import until

# The points of docs/protocol.md, as the step and the side of it on which the worker is struck.
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


@pytest.fixture(scope="module")
def crash_site(launch: Launch) -> Iterator[tuple[LocalStack, Emulator, Team]]:
    """A platform without a worker: each test starts the one that is going to be struck."""
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        cleanup.enter_context(in_this_process(stack.environment))
        seed(stack)
        stack.start_emulator(speed=400)
        stack.start_api()
        stack.start_dispatcher()
        yield stack, Emulator(stack.emulator_url), Platform(stack).team()


@pytest.fixture(scope="module")
def dataset(crash_site: tuple[LocalStack, Emulator, Team]) -> str:
    stack, _, team = crash_site
    stack.start_worker("first")
    ready = team.ready_dataset(conversations())
    stack.processes.stop("first")
    return str(ready["id"])


@pytest.mark.parametrize("how", ["KILL", "STOP"])
@pytest.mark.parametrize(("step", "when"), POINTS)
def test_a_worker_struck_anywhere_costs_nothing_twice(
    crash_site: tuple[LocalStack, Emulator, Team], dataset: str, tmp_path: Path, step: str, when: str, how: str
) -> None:
    stack, emulator, team = crash_site
    if step == "submission.search":  # only a job whose creation is unknown is searched for
        emulator.fault(kind="create_then_drop", method="POST", path="^/v1/fine_tuning/jobs$")
    marker = tmp_path / "struck"
    spec = f'{{"kill": ["{step}", "{when}"], "marker": "{marker}", "how": "{how}"}}'
    stack.start_worker("struck", launcher=[str(PYTHON), "-m", "tests.launcher", "worker", spec])
    job = team.submit(dataset).json()
    until(marker.exists, within=20, what=f"the worker to reach {step}")
    if how == "STOP":
        stack.start_worker("other", concurrency=1)  # the sleeper keeps its lock and its place in the pool
    done = finish(stack, team, job["id"], marker, how)
    assert done["state"] == "succeeded"
    remotes = [
        one for one in emulator.log()["jobs"] if one["metadata"].get("tuneplane_submission") == key_of(job["id"])
    ]
    assert [one["status"] for one in remotes].count("succeeded") == 1
    assert {one["status"] for one in remotes} <= {"succeeded", "cancelled"}
    assert Decimal(done["cost"]) * 1_000_000 == sum(Decimal(one["cost_units"]) for one in remotes)
    for name in ("struck", "other"):
        if how == "STOP" or name == "struck":
            stack.processes.kill(name)


def finish(stack: LocalStack, team: Team, job: str, marker: Path, how: str) -> dict[str, Any]:
    """Wait for the end. A sleeper wakes when another worker has claimed the job, or cannot for want of the lock."""
    if how == "STOP":
        import os
        import signal

        pid = int(marker.read_text())
        claimed_again = fence_of(job)
        until(lambda: fence_of(job) > claimed_again, within=20, what="another worker to claim the job")
        os.kill(pid, signal.SIGCONT)
    return team.job_in(job, "succeeded", "failed", within=40)


def fence_of(job: str) -> int:
    from service.jobs.models import Job
    from service.kit.db import unit_of_work
    from service.kit.identity import WORKER

    with unit_of_work(WORKER) as session:
        return session.get_one(Job, read("job", job)).fence


def key_of(job: str) -> str:
    return submit_key("test", read("job", job))
