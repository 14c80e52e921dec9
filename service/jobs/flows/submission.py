"""Bringing a job to the provider exactly once in effect.

docs/protocol.md is the specification; the steps have its names.

    claim → lock → reread → search (where an earlier call may have happened) → intent → call → record → unlock

The steps are module-level functions and are called through the module, so that the tests' launcher can put a crash, a
pause or a mutation between any two of them from outside.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from sqlalchemy import func

from service.jobs import progress, rules
from service.jobs.flows.files import UploadUnderWay, upload
from service.jobs.flows.orders import Order, call_lease, look
from service.jobs.flows.outcomes import note_error, pause_after, record, record_refusal, record_unknown
from service.jobs.flows.searching import search
from service.jobs.models import SUBMIT, Job
from service.jobs.rules import State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.locks import Lock, try_lock
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import AccountRefused, Paused, ProviderError, RateLimited, Refused, Unknown, Unreachable
from service.provider.openai import gateway

log = logs.get(__name__)


def submit(ids: Sequence[UUID]) -> None:
    """Bring those of `ids` that are due and free to the provider, side by side."""
    each(claim(ids), _submit_one)


def claim(ids: Sequence[UUID]) -> list[Claim]:
    """Take the jobs, for as long as an upload and a call may last."""
    with unit_of_work(WORKER) as session:
        return work.claim(session, SUBMIT, ids, seconds=call_lease())


def _submit_one(claimed: Claim) -> None:
    with logs.bound(job=str(claimed.id), team=str(claimed.team)):
        order = look(claimed)
        if order.job.state in (State.QUEUED, State.UPLOADING) and not _upload(order):
            return
        resolve(claimed)


def _upload(order: Order) -> bool:
    """Get the files there; False when this has to be tried again, which is then written."""
    begin_upload(order.claim)
    try:
        training = upload(order, order.job.dataset_id)
        validation = order.job.validation_dataset_id
        validation_file = upload(order, validation) if validation else None
    except (UploadUnderWay, ProviderError) as trouble:
        record_no_upload(order.claim, trouble)
        return False
    record_upload(order.claim, training, validation_file)
    return True


def begin_upload(claimed: Claim) -> None:
    """Say that it goes on from the queue."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        progress.enter(session, job, State.UPLOADING, "Uploading the training file to the provider.", clock.now())


def record_upload(claimed: Claim, training: str, validation: str | None) -> None:
    """The files are there; the lease is held on for the call."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        job.provider_file_id, job.provider_validation_file_id = training, validation
        progress.enter(session, job, State.SUBMITTING, "Creating the job at the provider.", clock.now())
        work.renew_row(job, seconds=call_lease())


def record_no_upload(claimed: Claim, trouble: Exception) -> None:
    """The files are not there, which is the end of the job only where the provider refuses them."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if isinstance(trouble, UploadUnderWay):
            work.back_off(job, seconds=settings().lock_busy_seconds, blameless=True)
        elif isinstance(trouble, RateLimited | AccountRefused | Paused):
            log.warning("job.upload_refused_for_now", code=trouble.code, status=trouble.status)
            work.back_off(job, seconds=pause_after(trouble), blameless=True)
        elif isinstance(trouble, Refused):
            note_error(job, trouble)
            progress.end_unbilled(
                session, job, State.FAILED, f"The provider refused the training file: {trouble.message}", clock.now()
            )
        else:
            log.warning("job.upload_failed", reason=str(trouble))
            work.back_off(job, seconds=settings().search_interval_seconds, blameless=True)


def resolve(claimed: Claim) -> None:
    """Under the job's lock: find out what became of an earlier call, or make the one call."""
    with lock(claimed) as held:
        if held is None:
            with unit_of_work(worker_for(claimed.team)) as session:
                work.back_off(
                    work.recording(session, Job, claimed), seconds=settings().lock_busy_seconds, blameless=True
                )
            return
        order = reread(claimed)
        if order is None:
            return
        if order.job.intent_at is not None and not search(order):
            return
        if not intent(claimed):
            return
        call(order, held)


# --------------------------------------------------------------------------------------------------- the named steps
def lock(claimed: Claim) -> AbstractContextManager[Lock | None]:
    """The lock that keeps two creators of one job apart even when a lease lapses; leaving it is `unlock`."""
    return try_lock(f"job:{claimed.id}")


def reread(claimed: Claim) -> Order | None:
    """The job as it stands under the lock, if there is still something to create or to find out."""
    order = look(claimed)
    unresolved = order.job.state in rules.UNRESOLVED and order.job.provider_job_id is None
    return order if unresolved else None


def intent(claimed: Claim) -> bool:
    """Commit, alone, that a call is about to leave. False when a cancel, another worker or an intent came first."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if job.state != State.SUBMITTING or job.provider_job_id is not None or job.intent_at is not None:
            return False
        job.intent_at = func.clock_timestamp()
        work.renew_row(job, seconds=call_lease())
    return True


def call(order: Order, held: Lock) -> None:
    """Create the job, once; no transaction is open. Then record what came of it."""
    if not held.is_held():
        return  # nothing was sent; the intent stays, and the next worker searches in vain and clears it
    try:
        remote = gateway.create_job(order.credentials, order.as_provider_takes_it())
    except (Refused, RateLimited, Paused, Unreachable) as refusal:
        record_refusal(order, refusal)
    except Unknown as unknown:
        record_unknown(order, unknown)
    else:
        record(order, remote)
