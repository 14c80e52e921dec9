"""A lease outlasts the call it is for."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from service.cli.local import LocalStack
from service.jobs.models import Job
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.ids import read
from tests.stack import Emulator, Platform, conversations
from tests.until import until

TIMEOUT = 3.0


def test_a_look_that_gets_no_answer_is_nobody_elses_until_it_ends(own_platform: Callable[..., LocalStack]) -> None:
    """Else each look at a hanging provider is overtaken, records nothing and burns the job's attempts."""
    stack = own_platform(settings={"lease_seconds": "1", "provider_timeout_seconds": str(TIMEOUT)})
    stack.start_emulator(speed=20)
    stack.start_api()
    team, emulator = Platform(stack).team(), Emulator(stack.emulator_url)
    stack.start_worker()
    stack.start_dispatcher()
    shown = team.submit(team.ready_dataset(conversations())["id"]).json()["id"]
    team.job_in(shown, "validating_files", "provider_queued", "running")
    emulator.fault(kind="hold", method="GET", path="^/v1/fine_tuning/jobs/[^/]+$", times=None)
    until(lambda: emulator.faults()["held"], what="a look to be held")
    began, fence = clock.monotonic(), fence_of(read("job", shown))
    until(lambda: fence_of(read("job", shown)) > fence, what="the next claim")
    assert clock.monotonic() - began >= TIMEOUT
    emulator.http.delete("/_emulator/faults")


def fence_of(job: UUID) -> int:
    with unit_of_work(WORKER) as session:
        return session.scalars(select(Job.fence).where(Job.id == job)).one()
