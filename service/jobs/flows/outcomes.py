"""What a create call came to, written down: the job is there, surely is not, or nobody knows (docs/protocol.md)."""

import random

from sqlalchemy.orm import Session

from service.jobs import progress, rules, turns
from service.jobs.flows.orders import Order
from service.jobs.models import Job
from service.jobs.rules import State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.provider.errors import (
    AccountRefused,
    FileNotReady,
    Paused,
    ProviderError,
    RateLimited,
    Refused,
    TooManyJobs,
    Unknown,
    Unreachable,
)
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob

log = logs.get(__name__)


def record(order: Order, remote: RemoteJob) -> None:
    """The provider has the job: write its id, guarded by the fence, or cancel it where the row knows better."""
    try:
        with unit_of_work(worker_for(order.claim.team)) as session:
            job = work.recording(session, Job, order.claim)
            if job.provider_job_id is None and job.state in rules.UNRESOLVED:
                adopt(session, job, remote)
                return
    except work.StaleClaim:
        log.info("job.recorded_late", provider_job_id=remote.id)
    _cancel_if_stray(order, remote)


def record_refusal(order: Order, refusal: Refused | RateLimited | Paused | Unreachable) -> None:
    """The provider surely did not create it."""
    if isinstance(refusal, TooManyJobs):
        with unit_of_work(WORKER) as session:
            turns.learn_from_refusal(session, order.job)
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        if job.provider_job_id is not None or job.state not in rules.UNRESOLVED:
            return
        clear_intent(job)
        at = clock.now()
        if job.state == State.CANCELLING:
            progress.end_unbilled(session, job, State.CANCELLED, "Cancelled; the provider never had it.", at)
        elif isinstance(refusal, TooManyJobs):
            log.warning("job.too_many", message=refusal.message)
            turns.wait(job)
            progress.enter(session, job, State.QUEUED, f"{refusal.message} It waits for its next turn.", at)
        elif isinstance(refusal, FileNotReady):  # counted: one that is never ready needs a person
            work.back_off(job)
        elif isinstance(refusal, RateLimited | AccountRefused | Paused | Unreachable):
            log.warning("job.refused_for_now", code=refusal.code, status=refusal.status)
            work.back_off(job, seconds=pause_after(refusal), blameless=True)
        else:
            note_error(job, refusal)
            progress.end_unbilled(session, job, State.FAILED, f"The provider refused: {refusal.message}", at)


def record_unknown(order: Order, unknown: Unknown) -> None:
    """The job may exist: keep the intent, look soon."""
    log.warning("job.outcome_unknown", reason=str(unknown))
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        work.back_off(job, seconds=settings().search_interval_seconds)


def adopt(session: Session, job: Job, remote: RemoteJob) -> None:
    job.provider_job_id, job.provider_status = remote.id, remote.status
    log.info("job.created_at_provider", provider_job_id=remote.id)
    job.submitted_at = clock.now()
    clear_intent(job)
    if job.state != State.CANCELLING:
        progress.enter(
            session, job, State.VALIDATING_FILES, f"Created at the provider as {remote.id}.", job.submitted_at
        )
    work.proceed(job)


def clear_intent(job: Job) -> None:
    job.intent_at = job.searched_at = None
    job.searches = 0


def note_error(job: Job, error: ProviderError) -> None:
    job.error_code, job.error_message = error.code or "provider_refused", error.message
    job.error_param = error.param


def pause_after(error: ProviderError) -> float:
    """How long to leave the provider alone after an error no job is to blame for.

    Attempts that do not count do not lengthen a pause either. Its Retry-After is parsed by us: the SDK gives up above
    two minutes. An account may be let go earlier than it was to be left alone, so nobody stays away for longer than the
    cap; and those who were sent away together do not come back together.
    """
    if isinstance(error, Paused):
        return min(error.retry_after_seconds, settings().backoff_cap_seconds) * random.uniform(1, 1.2)  # noqa: S311
    if isinstance(error, RateLimited) and error.retry_after_seconds is not None:
        return error.retry_after_seconds
    return settings().backoff_cap_seconds if isinstance(error, AccountRefused) else settings().search_interval_seconds


def _cancel_if_stray(order: Order, remote: RemoteJob) -> None:
    """Our record hit no row. With another id or an end there, ours is one too many; else the next search finds it."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = session.get_one(Job, order.claim.id)
        known_elsewhere = job.provider_job_id not in (None, remote.id)
        stray = known_elsewhere or (job.provider_job_id is None and job.state in rules.TERMINAL)
    if stray:
        cancel_extra(order, remote)


def cancel_extra(order: Order, remote: RemoteJob) -> None:
    log.error("job.duplicate_cancelled", provider_job_id=remote.id)
    try:
        gateway.cancel_job(order.credentials, remote.id)
    except ProviderError as error:
        log.exception("job.duplicate_not_cancelled", provider_job_id=remote.id, reason=str(error))
