"""Following jobs at the provider: how they stand, what they say, what they measured, how they ended."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from service.jobs import progress, queries, rules
from service.jobs.flows.orders import Order, call_lease, look_all
from service.jobs.flows.outcomes import pause_after
from service.jobs.flows.searching import CLOCK_SKEW
from service.jobs.flows.submission import resolve
from service.jobs.models import FOLLOW, Job
from service.jobs.rules import State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import NotThere, ProviderError, Refused
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteEvent, RemoteJob

log = logs.get(__name__)

_WORTH_A_LIST = 5  # so many jobs of one account are asked about by its list

_MESSAGES = {
    State.PROVIDER_QUEUED: "The files are valid; waiting for a place at the provider.",
    State.RUNNING: "Training has started.",
    State.SUCCEEDED: "Training has succeeded.",
    State.FAILED: "The provider reports a failure.",
    State.CANCELLED: "Cancelled at the provider.",
}


def follow(ids: Sequence[UUID]) -> None:
    """Look at those of `ids` that are due and free, and write what is new.

    The lever is asking for less: an account's job list tells a hundred jobs a call, and only what it shows to have
    changed, or to be training, is asked about further. Jobs without news cost one statement together.
    """
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, FOLLOW, ids, seconds=call_lease())
    orders = look_all(claims)
    seen, unanswered = glance(orders)
    each(unanswered, lambda trouble: _look_later(*trouble))
    failed = {claimed.id for claimed, _ in unanswered}
    asked = [order for order in orders if order.claim.id not in failed]
    quiet = [order for order in asked if _is_quiet(order, seen)]
    put_off(quiet)
    told = {order.claim.id for order in quiet}
    each([order for order in asked if order.claim.id not in told], lambda order: _follow_one(order, seen))


def glance(orders: Sequence[Order]) -> tuple[dict[str, RemoteJob], list[tuple[Claim, ProviderError]]]:
    """What the accounts' job lists say, by the provider's id, and the claims of jobs whose account said nothing."""
    by_account: dict[Credentials, dict[str, Order]] = defaultdict(dict)
    for order in orders:
        if order.job.provider_job_id is not None:
            by_account[order.credentials][order.job.provider_job_id] = order
    seen: dict[str, RemoteJob] = {}
    unanswered: list[tuple[Claim, ProviderError]] = []
    for credentials, wanted in by_account.items():
        if len(wanted) < _WORTH_A_LIST:
            continue
        oldest = min(order.job.submitted_at or order.job.created_at for order in wanted.values())
        try:
            seen |= gateway.list_jobs(credentials, wanted=wanted.keys(), created_since=oldest - CLOCK_SKEW)
        except ProviderError as error:
            unanswered += [(order.claim, error) for order in wanted.values()]
    return seen, unanswered


def _is_quiet(order: Order, seen: Mapping[str, RemoteJob]) -> bool:
    """Whether the list has told all there is to know: the same status as last time, and nothing going on."""
    remote = seen.get(order.job.provider_job_id or "")
    return remote is not None and order.job.state != State.CANCELLING and not _has_news(order, remote)


def put_off(quiet: Sequence[Order]) -> None:
    """Nothing new of these: look again later, each after its own pause."""
    by_pause: dict[float, list[Claim]] = defaultdict(list)
    for order in quiet:
        by_pause[round(_pause(order.job), 1)].append(order.claim)
    with unit_of_work(WORKER) as session:
        for seconds, claims in by_pause.items():
            work.proceed_all(session, Job, claims, seconds=seconds)


def _follow_one(order: Order, seen: Mapping[str, RemoteJob]) -> None:
    claimed, provider_job_id = order.claim, order.job.provider_job_id
    with logs.bound(job=str(claimed.id), team=str(claimed.team)):
        if provider_job_id is None:  # cancelled while its creation was unknown
            resolve(claimed)
            return
        try:
            known = None if order.job.state == State.CANCELLING else seen.get(provider_job_id)
            remote = known or ask(order, provider_job_id)
            events = new_events(order, provider_job_id) if _has_news(order, remote) else []
        except ProviderError as error:
            _look_later(claimed, error)
        else:
            record_progress(claimed, remote, events)


def ask(order: Order, provider_job_id: str) -> RemoteJob:
    """How the job stands; where its end is wanted, ask for that first."""
    if order.job.state == State.CANCELLING:
        try:
            return gateway.cancel_job(order.credentials, provider_job_id)
        except Refused:  # most likely it has ended by itself: a race, settled by looking
            log.info("job.cancel_refused")
    return gateway.get_job(order.credentials, provider_job_id)


def new_events(order: Order, provider_job_id: str) -> list[RemoteEvent]:
    """What the provider has said since we last looked."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        known = queries.fingerprints(session, order.job)
    return gateway.new_events(order.credentials, provider_job_id, known=lambda event: event.fingerprint in known)


def _has_news(order: Order, remote: RemoteJob) -> bool:
    """A job may have been found when it had ended already: an end is news until it is written."""
    return remote.status != order.job.provider_status or remote.status == "running" or remote.is_over


def record_progress(claimed: Claim, remote: RemoteJob, events: list[RemoteEvent]) -> None:
    """Write status, events and metrics, and where the job has ended its charge and its model: one transaction."""
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        job = work.recording(session, Job, claimed)
        at = clock.now()
        progress.take_events(session, job, events)
        job.provider_status = remote.status
        job.estimated_finish = remote.estimated_finish
        state = rules.state_told(State(job.state), remote.status)
        if state == State.SUCCEEDED and not remote.fine_tuned_model:
            work.back_off(job)  # it says so, but not yet under which name
            return
        if state == State.RUNNING and job.started_at is None:
            job.started_at = at
        if state in rules.TERMINAL:
            _take_outcome(job, remote)
            session.flush()
            progress.end_at_provider(session, job, state, _ending(state, remote), at)
            log.info("job.ended", state=state.value, trained_tokens=job.trained_tokens)
            return
        progress.enter(session, job, state, _MESSAGES.get(state, state.value), at)
        work.proceed(job, seconds=_pause(job))


def _pause(job: Job) -> float:
    since = job.started_at or job.submitted_at or job.created_at
    return rules.pause_before_next_look(State(job.state), clock.now() - since, shortest=settings().follow_seconds)


def _take_outcome(job: Job, remote: RemoteJob) -> None:
    job.fine_tuned_model = remote.fine_tuned_model
    job.trained_tokens = remote.trained_tokens
    job.result_files = list(remote.result_files)
    job.error_code, job.error_message, job.error_param = remote.error_code, remote.error_message, remote.error_param


def _ending(state: State, remote: RemoteJob) -> str:
    return f"{_MESSAGES[state]} {remote.error_message}" if remote.error_message else _MESSAGES[state]


def _look_later(claimed: Claim, error: ProviderError) -> None:
    """A provider that is away is no job's fault, however long; a job it no longer knows is, and ends with a person."""
    log.warning("job.look_failed", reason=str(error))
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if isinstance(error, NotThere):
            work.back_off(job)
        else:
            work.back_off(job, seconds=pause_after(error), blameless=True)
