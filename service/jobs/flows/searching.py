"""Finding out whether an earlier call created a job, and what an empty answer proves. docs/protocol.md, "Search"."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import DateTime, func, select

from service.jobs import progress, rules
from service.jobs.flows.orders import Order
from service.jobs.flows.outcomes import adopt, cancel_extra, clear_intent, pause_after
from service.jobs.models import Job
from service.jobs.rules import Search, State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.provider.errors import ProviderError
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob

log = logs.get(__name__)

CLOCK_SKEW: Final = timedelta(seconds=60)  # the provider's clock, in whole seconds, against ours


def search(order: Order) -> bool:
    """Look for an earlier call's job and write what that shows. True when there never was one: a call may be made."""
    asked_at = _database_now()  # before asking: a late answer proves nothing about later
    try:
        found = gateway.find_jobs(
            order.credentials,
            key=order.job.submit_key,
            training_file=order.job.provider_file_id or "",
            seed=order.job.seed,
            created_since=order.intent_at - CLOCK_SKEW,
        )
    except ProviderError as error:  # a search that fails is not an empty one
        log.warning("job.search_failed", reason=str(error))
        with unit_of_work(worker_for(order.claim.team)) as session:
            work.back_off(work.recording(session, Job, order.claim), seconds=pause_after(error), blameless=True)
        return False
    candidates = [one for one in found if one.key is not None] or _without_owner(order, found)
    if candidates:
        record_found(order, candidates)
        return False
    return record_empty_search(order, asked_at)


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
        adopt(session, job, kept)
    log.warning("job.found", provider_job_id=kept.id, extras=len(extras))
    for extra in extras:
        cancel_extra(order, extra)


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
            clear_intent(job)
            if job.state == State.CANCELLING:
                progress.end_unbilled(
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
