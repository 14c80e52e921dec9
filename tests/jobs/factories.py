"""A team with money, data and jobs, without an API or a worker process: the test is all of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from service import jobs
from service.jobs.models import Job, JobEvent
from service.kit import clock, ids, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.work import Claim, Kind
from tests.datasets.factories import Shelf
from tests.quotas.factories import MODEL, Sums, a_funded_team, sums


class Desk:
    """A team's jobs, from whoever submits them to whoever works on them."""

    def __init__(self, budget: str = "100") -> None:
        self.team = a_funded_team(budget, at=clock.now())
        self.shelf = Shelf(self.team)
        self.actor = self.shelf.actor

    def submit(self, dataset: UUID, **request: Any) -> Job:
        body = {"model": MODEL, "dataset": ids.show("dset", dataset), **request}
        with unit_of_work(self.actor) as session:
            return jobs.submit(session, self.actor, jobs.JobRequest.model_validate(body), clock.now())

    def row(self, job: Job) -> Job:
        """The job as it stands now."""
        with unit_of_work(self.actor) as session:
            return session.scalars(select(Job).where(Job.id == job.id)).one()

    def history(self, job: Job) -> list[JobEvent]:
        with unit_of_work(self.actor) as session:
            return list(session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.seq)))

    def states(self, job: Job) -> list[str]:
        """Where it has been, in order."""
        return [event.data["state"] for event in self.history(job) if event.type == "state"]

    def money(self) -> Sums:
        return sums(self.team)


def claim(kind: Kind, job: Job) -> Claim:
    with unit_of_work(WORKER) as session:
        (claimed,) = work.claim(session, kind, [job.id])
    return claimed


def age(job: Job, *, seconds: float = 0) -> None:
    """Make the row due, as if so many seconds more had passed."""
    with unit_of_work(WORKER) as session:
        session.execute(
            update(Job).where(Job.id == job.id).values(due_at=func.clock_timestamp() - timedelta(seconds=seconds))
        )
