"""What users ask of a job that is there. Never commits, never touches the network."""

from datetime import datetime

from sqlalchemy.orm import Session

from service import audit
from service.jobs import progress, queries, rules
from service.jobs.errors import JobIsOver
from service.jobs.models import Job
from service.jobs.rules import State
from service.kit import work
from service.kit.identity import Actor


def cancel(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """End the job now if the provider surely has nothing of it, else ask the provider.

    Then the outcome is what it says.

    Asking again changes nothing. Raises JobIsOver for one that ended otherwise.
    """
    job = queries.get(session, actor.team, shown_id, lock=True)
    state = State(job.state)
    if state in {State.CANCELLING, State.CANCELLED}:
        return job
    if state in rules.TERMINAL:
        raise JobIsOver(job=shown_id, state=state.value)
    job.cancel_requested_at = at
    audit.record(
        session, actor, "job.cancel_requested",
        object_type="job", object_id=shown_id, team_id=job.team_id, before={"state": state.value},
    )  # fmt: skip
    if job.intent_at is None and job.provider_job_id is None:
        job.fence += 1  # whatever a worker is about to write is stale from here on
        progress.end_unbilled(session, job, State.CANCELLED, "Cancelled before the provider had it.", at)
    else:
        # The lease stays: a worker in the middle of a call records what it learns before anybody else looks. A job that
        # waited for a person is worked on again: what is wanted of it has become simple.
        job.attention = job.attention_since = None
        job.attempts = 0
        progress.enter(session, job, State.CANCELLING, "Cancelling at the provider; the outcome is what it says.", at)
        work.wake(job)
    session.flush()
    session.refresh(job)
    return job
