"""What a worker holds in its hand while away from the database: a job as it stood, and the key to the account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service import connections
from service.jobs.models import Job
from service.jobs.schemas import method_of
from service.kit import logs
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.sealing import SealingError
from service.kit.settings import settings
from service.kit.work import Claim, recording
from service.provider.shapes import Credentials, JobOrder

log = logs.get(__name__)


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


def open_accounts(accounts: Iterable[UUID]) -> dict[UUID, Credentials]:
    """The keys of these accounts; one that does not open is logged and left out, for the others are not to blame."""
    opened = {}
    with unit_of_work(WORKER) as session:
        for account in set(accounts):
            try:
                opened[account] = connections.credentials(session, account)
            except SealingError:
                log.exception("account.sealed", account=str(account))
    return opened


def look(claim: Claim) -> Order:
    """The claimed job as it stands now. Raises StaleClaim when it is somebody else's by now."""
    with unit_of_work(worker_for(claim.team), seconds=settings().worker_unit_seconds) as session:
        job = recording(session, Job, claim)
    with unit_of_work(WORKER) as session:
        credentials = connections.credentials(session, job.connection_id)
    return Order(claim, job, credentials)
