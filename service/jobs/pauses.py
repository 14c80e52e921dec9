"""Pausing a job at the provider and letting it go on. Never commits, never touches the network.

What a user wants is written as the job's wish; workers pass it on, and the state follows what the provider says.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from service import audit
from service.jobs import progress, queries, rules
from service.jobs.errors import JobIsOver, NotAtProvider
from service.jobs.models import Job
from service.jobs.rules import State, Wish
from service.kit import work
from service.kit.identity import Actor


def pause(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """Have training stand still. Raises NotAtProvider or JobIsOver; of a job that is paused nothing is changed."""
    return _wish(session, actor, shown_id, Wish.PAUSE, at)


def resume(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """Have training go on. Raises NotAtProvider or JobIsOver; of a job that is not paused nothing is changed."""
    return _wish(session, actor, shown_id, Wish.RESUME, at)


def _wish(session: Session, actor: Actor, shown_id: str, wish: Wish, at: datetime) -> Job:
    job = queries.get(session, actor.team, shown_id, lock=True)
    state = State(job.state)
    if state in rules.TERMINAL:
        raise JobIsOver(job=shown_id, state=state.value)
    if state not in rules.TO_FOLLOW or job.provider_job_id is None:
        raise NotAtProvider(job=shown_id, state=state.value, wish=wish.value)
    is_paused = state == State.PAUSED
    if job.wish == wish or (job.wish is None and is_paused == (wish is Wish.PAUSE)):
        return job
    job.wish = wish
    audit.record(
        session, actor, f"job.{wish}_requested",
        object_type="job", object_id=shown_id, team_id=job.team_id, before={"state": state.value},
    )  # fmt: skip
    progress.say(session, job, at, "message", f"Asked to {wish}; the outcome is what the provider says.")
    work.wake(job)
    session.flush()
    session.refresh(job)
    return job
