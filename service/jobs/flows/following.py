"""Following jobs at the provider: how they stand, what they say, what they measured, how they ended.

The lever is asking for less. One worker at a time pages an account's job list for all its jobs that are due or will be
soon. Those it shows to be unchanged are put off together, unclaimed; only the others are claimed and asked about.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from service.jobs import progress, queries, rules
from service.jobs.flows import sights
from service.jobs.flows.lists import News, has_news, is_worth_a_list, jitter, pause_of, read_list
from service.jobs.flows.orders import call_lease, open_accounts
from service.jobs.flows.outcomes import pause_after
from service.jobs.flows.sights import Sight
from service.jobs.flows.submission import resolve
from service.jobs.models import FOLLOW, Job
from service.jobs.rules import State, Wish
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

_CLAIMED_AT_ONCE: Final = 64  # a lease must last until the last of them is done

_MESSAGES = {
    State.PROVIDER_QUEUED: "The files are valid; waiting for a place at the provider.",
    State.RUNNING: "Training has started.",
    State.PAUSED: "Paused at the provider.",
    State.SUCCEEDED: "Training has succeeded.",
    State.FAILED: "The provider reports a failure.",
    State.CANCELLED: "Cancelled at the provider.",
}


@dataclass(frozen=True, slots=True)
class Look:
    """One claimed job as it stood when claimed, and what its account's list said of it, if that still holds."""

    claim: Claim
    sight: Sight
    credentials: Credentials
    listed: RemoteJob | None

    @property
    def job_id(self) -> str:
        """The provider's. To be asked only where it is known."""
        if self.sight.provider_job_id is None:
            raise AssertionError("the provider is not known to have this job")
        return self.sight.provider_job_id


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said of one job. `events` is None where it was not asked for them."""

    remote: RemoteJob
    events: Sequence[RemoteEvent] | None
    refusal: str | None = None  # of what the user wished for


def follow(ids: Sequence[UUID]) -> None:
    """Look at those of `ids` that are due and free, and write what is new."""
    with unit_of_work(WORKER) as session:
        due = sights.due(session, ids)
    alone = {one.id: (one, None) for one in due if one.wants_a_call}
    by_account: dict[UUID, list[Sight]] = defaultdict(list)
    for one in due:
        if not one.wants_a_call:
            by_account[one.account].append(one)
    few = {account: ours for account, ours in by_account.items() if not is_worth_a_list(account)}
    ask_each(alone | {one.id: (one, None) for ours in few.values() for one in ours})
    for account in by_account.keys() - few.keys():
        ask_each(read_list(account))


def ask_each(news: News) -> None:
    """Claim these, some at a time, and look at each."""
    ids = list(news)
    for start in range(0, len(ids), _CLAIMED_AT_ONCE):
        each(_take(ids[start : start + _CLAIMED_AT_ONCE], news), _follow_one)


def _take(ids: Sequence[UUID], news: News) -> list[Look]:
    """Claim them; what a list says of others counts although they are not due, of ours only while they are."""
    early = [one for one in ids if not news[one][0].is_due]
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, FOLLOW, [one for one in ids if one not in early], seconds=call_lease())
        claims += work.claim(session, FOLLOW, early, seconds=call_lease(), early=True)
    return looks_of(claims, news)


def looks_of(claims: Sequence[Claim], news: News | None = None) -> list[Look]:
    """The claimed jobs as they stand. What a list said of one that was claimed or woken since is out of date."""
    with unit_of_work(WORKER) as session:
        now = sights.claimed(session, claims)
    accounts = open_accounts(sight.account for sight in now.values())
    looks = []
    for claim in claims:
        sight = now[claim.id]
        before, listed = (news or {}).get(claim.id, (sight, None))
        still = (claim.fence, sight.due_at) == (before.fence + 1, before.due_at)
        if sight.account in accounts:
            looks.append(Look(claim, sight, accounts[sight.account], listed if still else None))
    return looks


def _follow_one(look: Look) -> None:
    with logs.bound(job=str(look.claim.id), team=str(look.claim.team)):
        if look.sight.provider_job_id is None:  # cancelled while its creation was unknown
            resolve(look.claim)
            return
        try:
            answer = ask(look)
        except ProviderError as error:
            look_later(look.claim, error)
        else:
            record_progress(look, answer)


def ask(look: Look) -> Answer:
    """How the job stands, having passed on what is wanted of it, and what it has said where that may be news."""
    remote, refusal = _stand(look)
    events = new_events(look, remote) if look.listed or has_news(look.sight, remote) else None
    return Answer(remote, events, refusal)


def _stand(look: Look) -> tuple[RemoteJob, str | None]:
    """How it stands, and why the provider refuses what was wished for, if it does."""
    sight = look.sight
    if sight.state == State.CANCELLING:
        try:
            return gateway.cancel_job(look.credentials, look.job_id), None
        except Refused:  # most likely it has ended by itself: a race, settled by looking
            log.info("job.cancel_refused")
    elif sight.wish is not None:
        pass_on = gateway.pause_job if sight.wish is Wish.PAUSE else gateway.resume_job
        try:
            return pass_on(look.credentials, look.job_id), None
        except Refused as refusal:  # perhaps because it stands so already
            return gateway.get_job(look.credentials, look.job_id), refusal.message
    return look.listed or gateway.get_job(look.credentials, look.job_id), None


def new_events(look: Look, remote: RemoteJob) -> list[RemoteEvent]:
    """What the provider has said that we do not have; of a job that has ended all, however late it was told."""

    def known(fingerprints: Collection[str]) -> Collection[str]:
        with unit_of_work(worker_for(look.claim.team)) as session:
            return queries.known_fingerprints(session, look.claim.team, look.claim.id, fingerprints)

    return gateway.new_events(look.credentials, look.job_id, known=known, to_the_beginning=remote.is_over)


def record_progress(look: Look, answer: Answer) -> None:
    """Write status, events and metrics, and where the job has ended its charge and its model: one transaction."""
    remote = answer.remote
    with unit_of_work(worker_for(look.claim.team), seconds=settings().worker_unit_seconds) as session:
        job = work.recording(session, Job, look.claim)
        at = clock.now()
        if answer.events is not None:
            progress.take_events(session, job, answer.events)
            job.events_asked_at = at
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
            job.wish = None
            session.flush()
            progress.end_at_provider(session, job, state, _ending(state, remote), at)
            log.info("job.ended", state=state.value, trained_tokens=job.trained_tokens)
            return
        progress.enter(session, job, state, _MESSAGES.get(state, state.value), at)
        if state == State.RUNNING and progress.stop_at_max_cost(session, job, at):
            work.proceed(job)
            return
        _settle_wish(session, job, look.sight.wish, answer, at)
        begun_at = job.started_at or job.submitted_at or job.created_at
        woken = job.due_at != look.sight.due_at  # by a user or a webhook, since we asked
        pause = pause_of(state, begun_at, is_watched=look.sight.is_watched)
        work.proceed(job, seconds=0 if woken else pause)


def _settle_wish(session: Session, job: Job, wish: Wish | None, answer: Answer, at: datetime) -> None:
    """A wish is settled when the provider's status shows it or when it was refused, which is told."""
    if job.state == State.CANCELLING:
        job.wish = None
    if wish is None or job.wish != wish:
        return  # another one has come meanwhile
    is_met = rules.is_met(wish, answer.remote.status)
    if is_met or answer.refusal is not None:
        job.wish = None
    if answer.refusal is not None and not is_met:
        progress.say(session, job, at, "message", f"The provider refused to {wish} the job: {answer.refusal}")


def _take_outcome(job: Job, remote: RemoteJob) -> None:
    job.fine_tuned_model = remote.fine_tuned_model
    job.trained_tokens = remote.trained_tokens
    job.result_files = list(remote.result_files)
    job.error_code, job.error_message, job.error_param = remote.error_code, remote.error_message, remote.error_param


def _ending(state: State, remote: RemoteJob) -> str:
    return f"{_MESSAGES[state]} {remote.error_message}" if remote.error_message else _MESSAGES[state]


def look_later(claimed: Claim, error: ProviderError) -> None:
    """A provider that is away is no job's fault, however long; a job it no longer knows is, and ends with a person."""
    log.warning("job.look_failed", reason=str(error))
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        if isinstance(error, NotThere):
            work.back_off(job)
        else:
            work.back_off(job, seconds=pause_after(error) * jitter(), blameless=True)
