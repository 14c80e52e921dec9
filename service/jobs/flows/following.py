"""Following jobs at the provider: how they stand, what they say, what they measured, how they ended.

The lever is asking for less. An account's job list tells a hundred jobs a call, so one worker at a time pages it for
all jobs of the account that are due or will be soon. Those it shows to be unchanged are put off together, unclaimed.
Only the others are claimed and asked about further.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from service import connections
from service.jobs import progress, queries, rules
from service.jobs.flows import sights
from service.jobs.flows.orders import call_lease
from service.jobs.flows.outcomes import pause_after
from service.jobs.flows.searching import CLOCK_SKEW
from service.jobs.flows.sights import Sight
from service.jobs.flows.submission import resolve
from service.jobs.models import FOLLOW, Job
from service.jobs.rules import State, Wish
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.locks import try_lock
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import NotThere, ProviderError, Refused
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteEvent, RemoteJob

log = logs.get(__name__)

_WORTH_A_LIST: Final = 5  # so many jobs of one account are asked about by its list
_CLAIMED_AT_ONCE: Final = 64  # a lease must last until the last of them is done
_EVENTS_AFTER: Final = 20  # times `follow_seconds`: a running job nobody watches is asked for its events this rarely

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


News = Mapping[UUID, tuple[Sight, RemoteJob | None]]
"""Jobs to ask about further: how they stood before the list was read, and what it said, if it showed them."""


def follow(ids: Sequence[UUID]) -> None:
    """Look at those of `ids` that are due and free, and write what is new."""
    with unit_of_work(WORKER) as session:
        due = sights.due(session, ids)
    ask_each({one.id: (one, None) for one in due if one.wants_a_call})
    by_account: dict[UUID, list[Sight]] = defaultdict(list)
    for one in due:
        if not one.wants_a_call:
            by_account[one.account].append(one)
    for account, ours in by_account.items():
        ask_each(glance(account, ours))


def glance(account: UUID, ours: Sequence[Sight]) -> News:
    """Read the account's list, put off what it shows to be unchanged, and tell what is left to ask about.

    Too few for a list are all left. None are while somebody else reads this list: he takes ours along, or they are
    hinted at again.
    """
    with unit_of_work(WORKER) as session:
        few = sights.soon(session, account, seconds=settings().follow_seconds, limit=_WORTH_A_LIST)
    if len(few) < _WORTH_A_LIST:
        return {one.id: (one, None) for one in ours}
    with try_lock(f"list:{account}") as lock:
        return read_list(account) if lock else {}


def read_list(account: UUID) -> News:
    """The same under the account's lock."""
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        seen = sights.soon(session, account, seconds=settings().follow_seconds)
        credentials = connections.credentials(session, account)
    if not seen:
        return {}
    wanted = {one.provider_job_id for one in seen if one.provider_job_id}
    oldest = min(one.submitted_at for one in seen)
    try:
        told = gateway.list_jobs(credentials, wanted=wanted, created_since=oldest - CLOCK_SKEW)
    except ProviderError as error:
        log.warning("account.list_failed", account=str(account), reason=str(error))
        _put_off({one: pause_after(error) * _jitter() for one in seen if one.is_due})
        return {}
    shown = {one.id: (one, told.get(one.provider_job_id or "")) for one in seen}
    quiet = [one for one, remote in shown.values() if remote and not has_news(one, remote)]
    news = {id_: found for id_, found in shown.items() if found[0].is_due or found[1]}
    for one in quiet:
        del news[one.id]
    _put_off({one: _pause(one.state, one.begun_at, is_watched=one.is_watched) for one in quiet}, hinted=news)
    return news


def _put_off(pauses: Mapping[Sight, float], hinted: Collection[UUID] = ()) -> None:
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        work.put_off(session, Job, {one.untouched: seconds for one, seconds in pauses.items()})
        if hinted:
            work.mark_hinted(session, Job, hinted)


def has_news(sight: Sight, remote: RemoteJob) -> bool:
    """Whether to ask further. A job may have been found when it had ended: an end is news until it is written."""
    return remote.status != sight.provider_status or remote.is_over or _wants_events(sight, remote)


def _wants_events(sight: Sight, remote: RemoteJob) -> bool:
    """A running job says something all the time: who watches wants to hear it soon, who does not now and then."""
    if remote.status != "running" or sight.is_watched or sight.events_asked_at is None:
        return remote.status == "running"
    most = _EVENTS_AFTER * settings().follow_seconds
    return (clock.now() - sight.events_asked_at).total_seconds() > most * random.uniform(0.5, 1)  # noqa: S311


def ask_each(news: News) -> None:
    """Claim these, some at a time, and look at each."""
    ids = list(news)
    for start in range(0, len(ids), _CLAIMED_AT_ONCE):
        each(_take(ids[start : start + _CLAIMED_AT_ONCE], news), _follow_one)


def _take(ids: Sequence[UUID], news: News) -> list[Look]:
    """Claim them. What the list said of a job that somebody has claimed or woken since is out of date."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, FOLLOW, ids, seconds=call_lease(), early=True)
        now = sights.claimed(session, claims)
        accounts = {one: connections.credentials(session, one) for one in {sight.account for sight in now.values()}}
    looks = []
    for claim in claims:
        sight, (before, listed) = now[claim.id], news[claim.id]
        still = (claim.fence, sight.due_at) == (before.fence + 1, before.due_at)
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
            _look_later(look.claim, error)
        else:
            record_progress(look, answer)


def ask(look: Look) -> Answer:
    """How the job stands, having passed on what is wanted of it, and what it has said where that may be news."""
    remote, refusal = _stand(look)
    events = new_events(look, remote) if has_news(look.sight, remote) else None
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
        _settle_wish(session, job, look.sight.wish, answer, at)
        begun_at = job.started_at or job.submitted_at or job.created_at
        woken = job.due_at != look.sight.due_at  # by a user or a webhook, since we asked
        pause = _pause(state, begun_at, is_watched=look.sight.is_watched)
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


def _pause(state: State, begun_at: datetime, *, is_watched: bool) -> float:
    shortest = settings().follow_seconds
    pause = rules.pause_before_next_look(state, clock.now() - begun_at, shortest=shortest, is_watched=is_watched)
    return pause * _jitter()


def _jitter() -> float:
    """So that jobs submitted together do not come back together."""
    return random.uniform(0.8, 1.2)  # noqa: S311


def _take_outcome(job: Job, remote: RemoteJob) -> None:
    job.fine_tuned_model = remote.fine_tuned_model
    job.trained_tokens = remote.trained_tokens
    job.error_code, job.error_message = remote.error_code, remote.error_message


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
            work.back_off(job, seconds=pause_after(error) * _jitter(), blameless=True)
