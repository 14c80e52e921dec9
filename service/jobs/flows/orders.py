"""What a worker holds in its hand while away from the database: a job as it stood, and the key to the account."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from service import connections
from service.jobs.models import Job
from service.jobs.schemas import method_of
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.kit.work import Claim, recording
from service.provider.shapes import Credentials, JobOrder


@dataclass(frozen=True, slots=True)
class Order:
    """One claimed job as it stood when we looked."""

    claim: Claim
    job: Job  # detached: to read, never to write
    credentials: Credentials

    def as_provider_takes_it(self) -> JobOrder:
        """The job as one create call."""
        job = self.job
        method = method_of(job).model_dump(exclude_none=True, exclude={"type"})
        chosen = {name: value for name, value in method.pop("hyperparameters").items() if value != "auto"}
        return JobOrder(
            key=job.submit_key,
            model=job.start_from or job.base_model,
            training_file=job.provider_file_id or "",
            validation_file=job.provider_validation_file_id,
            method=job.method,
            hyperparameters=chosen,
            beside=method,
            suffix=job.suffix,
            seed=job.seed,
            metadata=job.labels,
            integrations=job.integrations,
        )

    @property
    def intent_at(self) -> datetime:
        """When a call may first have left. To be asked only where there is an intent."""
        if self.job.intent_at is None:
            raise AssertionError("no intent, nothing to search")
        return self.job.intent_at


def call_lease() -> float:
    """Over the client's timeout and the record after it: 70 s for 60 s."""
    return max(settings().lease_seconds, settings().provider_timeout_seconds * 7 / 6)


def look_all(claims: Sequence[Claim]) -> list[Order]:
    """The claimed jobs as they stand now, read team by team; those that are somebody else's by now are left out."""
    by_team: dict[UUID, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_team[claim.team].append(claim)
    seen: list[tuple[Claim, Job]] = []
    for team, of_team in by_team.items():
        wanted = select(Job).where(Job.team_id == team, Job.id.in_([claim.id for claim in of_team]))
        with unit_of_work(worker_for(team), seconds=settings().worker_unit_seconds) as session:
            jobs = {job.id: job for job in session.scalars(wanted)}
        seen += [(claim, jobs[claim.id]) for claim in of_team if claim.id in jobs]
    seen = [(claim, job) for claim, job in seen if job.fence == claim.fence]
    with unit_of_work(WORKER) as session:
        accounts = {one: connections.credentials(session, one) for one in {job.connection_id for _, job in seen}}
    return [Order(claim, job, accounts[job.connection_id]) for claim, job in seen]


def look(claim: Claim) -> Order:
    """The claimed job as it stands now. Raises StaleClaim when it is somebody else's by now."""
    with unit_of_work(worker_for(claim.team), seconds=settings().worker_unit_seconds) as session:
        job = recording(session, Job, claim)
    with unit_of_work(WORKER) as session:
        credentials = connections.credentials(session, job.connection_id)
    return Order(claim, job, credentials)
