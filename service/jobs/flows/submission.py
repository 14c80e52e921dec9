"""Bringing a job to the provider exactly once in effect.

docs/protocol.md is the specification; the steps have its names.

    claim → lock → reread → search (where an earlier call may have happened) → intent → call → record → unlock

The steps are module-level functions and are called through the module, so that the tests' launcher can put a crash, a
pause or a mutation between any two of them from outside.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, func, select
from sqlalchemy.orm import Session

from service.jobs import commands, rules
from service.jobs.flows.files import UploadUnderWay, upload
from service.jobs.flows.orders import Order, look
from service.jobs.models import SUBMIT, Job
from service.jobs.rules import Search, State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.locks import Lock, try_lock
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import AccountRefused, ProviderError, RateLimited, Refused, Unknown
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob

log = logs.get(__name__)

_CLOCK_SKEW = timedelta(seconds=60)  # the provider's clock, in whole seconds, against ours


def submit(ids: Sequence[UUID]) -> None:
    """Bring those of `ids` that are due and free to the provider, side by side."""
    each(claim(ids), _submit_one)


def claim(ids: Sequence[UUID]) -> list[Claim]:
    """Take the jobs, for as long as an upload and a call may last."""
    with unit_of_work(WORKER) as session:
        return work.claim(session, SUBMIT, ids, seconds=_call_lease())


def _call_lease() -> float:
    """Over the client's timeout and the record after it: 70 s for 60 s."""
    return max(settings().lease_seconds, settings().provider_timeout_seconds * 7 / 6)


def _submit_one(claimed: Claim) -> None:
    with logs.bound(job=str(claimed.id), team=str(claimed.team)):
        order = look(claimed)
        if order.job.state in (State.QUEUED, State.UPLOADING) and not _upload(order):
            return
        resolve(claimed)


def _upload(order: Order) -> bool:
    """Get the files there; False when this has to be tried again, which is then written."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        commands.enter(session, job, State.UPLOADING, "Uploading the training file to the provider.", clock.now())
    try:
        training = upload(order, order.job.dataset_id)
        validation = order.job.validation_dataset_id
        validation_file = upload(order, validation) if validation else None
    except (UploadUnderWay, ProviderError) as trouble:
        _upload_later(order.claim, trouble)
        return False
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        job.provider_file_id, job.provider_validation_file_id = training, validation_file
        commands.enter(session, job, State.SUBMITTING, "Creating the job at the provider.", clock.now())
        work.renew_row(job, seconds=_call_lease())
    return True


def _upload_later(claimed: Claim, trouble: Exception) -> None:
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if isinstance(trouble, UploadUnderWay):
            work.back_off(job, seconds=settings().lock_busy_seconds, blameless=True)
        elif isinstance(trouble, Refused) and not isinstance(trouble, AccountRefused):
            _note_error(job, trouble)
            commands.end_unbilled(
                session, job, State.FAILED, f"The provider refused the training file: {trouble.message}", clock.now()
            )
        else:
            log.warning("job.upload_failed", reason=str(trouble))
            work.back_off(job, seconds=_pause_asked(trouble), blameless=isinstance(trouble, RateLimited))


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


def search(order: Order) -> bool:
    """Look for an earlier call's job and write what that shows. True when there never was one: a call may be made."""
    asked_at = _database_now()  # before asking: a late answer proves nothing about later
    try:
        found = gateway.find_jobs(
            order.credentials,
            key=order.job.submit_key,
            training_file=order.job.provider_file_id or "",
            seed=order.job.seed,
            created_since=order.intent_at - _CLOCK_SKEW,
        )
    except ProviderError as error:  # a search that fails is not an empty one
        log.warning("job.search_failed", reason=str(error))
        with unit_of_work(worker_for(order.claim.team)) as session:
            work.back_off(work.recording(session, Job, order.claim), seconds=_pause_asked(error), blameless=True)
        return False
    candidates = [one for one in found if one.key is not None] or _without_owner(order, found)
    if candidates:
        record_found(order, candidates)
        return False
    return record_empty_search(order, asked_at)


def intent(claimed: Claim) -> bool:
    """Commit, alone, that a call is about to leave. False when a cancel, another worker or an intent came first."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if job.state != State.SUBMITTING or job.provider_job_id is not None or job.intent_at is not None:
            return False
        job.intent_at = func.clock_timestamp()
        work.renew_row(job, seconds=_call_lease())
    return True


def call(order: Order, held: Lock) -> None:
    """Create the job, once; no transaction is open. Then record what came of it."""
    if not held.is_held():
        return  # nothing was sent; the intent stays, and the next worker searches in vain and clears it
    try:
        remote = gateway.create_job(order.credentials, order.as_provider_takes_it())
    except (Refused, RateLimited) as refusal:
        record_refusal(order, refusal)
    except Unknown as unknown:
        record_unknown(order, unknown)
    else:
        record(order, remote)


def record(order: Order, remote: RemoteJob) -> None:
    """The provider has the job: write its id, guarded by the fence, or cancel it where the row knows better."""
    try:
        with unit_of_work(worker_for(order.claim.team)) as session:
            job = work.recording(session, Job, order.claim)
            if job.provider_job_id is None and job.state in rules.UNRESOLVED:
                _adopt(session, job, remote)
                return
    except work.StaleClaim:
        log.info("job.recorded_late", provider_job_id=remote.id)
    _cancel_if_stray(order, remote)


def record_found(order: Order, found: list[RemoteJob]) -> None:
    """An earlier call's job was found. The oldest is kept; others under our key are cancelled, look-alikes never."""
    kept, *extras = found
    if kept.key is None and (extras or _is_claimed_twice(order)):
        with unit_of_work(worker_for(order.claim.team)) as session:
            job = work.recording(session, Job, order.claim)
            work.ask_for_attention(
                job, f"several jobs at the provider could be this one: {', '.join(one.id for one in found)}"
            )
        return
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        if job.provider_job_id is not None or job.state not in rules.UNRESOLVED:
            return  # somebody knows more than we do: touch nothing
        _adopt(session, job, kept)
    log.warning("job.found", provider_job_id=kept.id, extras=len(extras))
    for extra in extras:
        _cancel(order, extra)


def record_empty_search(order: Order, asked_at: datetime) -> bool:
    """Nothing was found: remember when we asked, or conclude that there never was a job: True, a call may be made."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        verdict = rules.after_empty_search(
            asked_at,
            searched_at=job.searched_at,
            searches=job.searches,
            quiet=timedelta(seconds=settings().quiet_seconds),
            interval=timedelta(seconds=settings().search_interval_seconds),
        )
        if verdict.search is Search.NEVER_CREATED:
            _clear_intent(job)
            if job.state == State.CANCELLING:
                commands.end_unbilled(
                    session, job, State.CANCELLED, "Cancelled; the provider never had it.", clock.now()
                )
                return False
            return True
        if verdict.search is Search.FIRST_LOOK:
            job.searched_at = asked_at
        elif verdict.search is Search.EMPTY_ONCE:
            job.searched_at, job.searches = asked_at, 1
        work.back_off(job, blameless=verdict.search is Search.TOO_EARLY)
        job.due_at = verdict.look_again_at
    return False


def record_refusal(order: Order, refusal: Refused | RateLimited) -> None:
    """The provider surely did not create it."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        if job.provider_job_id is not None or job.state not in rules.UNRESOLVED:
            return
        _clear_intent(job)
        at = clock.now()
        if job.state == State.CANCELLING:
            commands.end_unbilled(session, job, State.CANCELLED, "Cancelled; the provider never had it.", at)
        elif isinstance(refusal, RateLimited | AccountRefused):
            log.warning("job.refused_for_now", code=refusal.code, status=refusal.status)
            work.back_off(job, seconds=_pause_asked(refusal), blameless=True)
        else:
            _note_error(job, refusal)
            commands.end_unbilled(session, job, State.FAILED, f"The provider refused: {refusal.message}", at)


def record_unknown(order: Order, unknown: Unknown) -> None:
    """The job may exist: keep the intent, look soon."""
    log.warning("job.outcome_unknown", reason=str(unknown))
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = work.recording(session, Job, order.claim)
        work.back_off(job, seconds=settings().search_interval_seconds)


# -------------------------------------------------------------------------------------------------------------- parts
def _adopt(session: Session, job: Job, remote: RemoteJob) -> None:
    job.provider_job_id, job.provider_status = remote.id, remote.status
    job.submitted_at = clock.now()
    _clear_intent(job)
    if job.state != State.CANCELLING:
        commands.enter(
            session, job, State.VALIDATING_FILES, f"Created at the provider as {remote.id}.", job.submitted_at
        )
    work.proceed(job)


def _clear_intent(job: Job) -> None:
    job.intent_at = job.searched_at = None
    job.searches = 0


def _note_error(job: Job, error: ProviderError) -> None:
    job.error_code, job.error_message = error.code or "provider_refused", error.message


def _pause_asked(error: Exception) -> float | None:
    """The provider's Retry-After, parsed by us: the SDK gives up above two minutes."""
    return error.retry_after_seconds if isinstance(error, RateLimited) else None


def _cancel_if_stray(order: Order, remote: RemoteJob) -> None:
    """Our record hit no row. With another id or an end there, ours is one too many; else the next search finds it."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        job = session.get_one(Job, order.claim.id)
        known_elsewhere = job.provider_job_id not in (None, remote.id)
        stray = known_elsewhere or (job.provider_job_id is None and job.state in rules.TERMINAL)
    if stray:
        _cancel(order, remote)


def _cancel(order: Order, remote: RemoteJob) -> None:
    log.error("job.duplicate_cancelled", provider_job_id=remote.id)
    try:
        gateway.cancel_job(order.credentials, remote.id)
    except ProviderError as error:
        log.exception("job.duplicate_not_cancelled", provider_job_id=remote.id, reason=str(error))


def _without_owner(order: Order, found: list[RemoteJob]) -> list[RemoteJob]:
    """Look-alikes (the server dropped our metadata) that no other job of ours is known to own."""
    if not found:
        return []
    with unit_of_work(WORKER) as session:
        owned = set(
            session.scalars(
                select(Job.provider_job_id).where(
                    Job.connection_id == order.job.connection_id,
                    Job.provider_job_id.in_([one.id for one in found]),
                )
            )
        )
    return [one for one in found if one.id not in owned]


def _is_claimed_twice(order: Order) -> bool:
    """Whether another open intent looks the same: then a look-alike cannot be told to be ours."""
    with unit_of_work(WORKER) as session:
        twin = session.scalar(
            select(Job.id)
            .where(
                Job.connection_id == order.job.connection_id,
                Job.id != order.job.id,
                Job.intent_at.is_not(None),
                Job.provider_file_id == order.job.provider_file_id,
                Job.seed == order.job.seed,
            )
            .limit(1)
        )
    return twin is not None


def _database_now() -> datetime:
    with unit_of_work(WORKER) as session:
        return session.scalars(select(func.clock_timestamp(type_=DateTime(timezone=True)))).one()
