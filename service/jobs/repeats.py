"""The same job once more: a new one that names the old. The old one never changes."""

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.jobs import commands, queries
from service.jobs.errors import JobNotOver, NothingToRetry, NotRepeatable
from service.jobs.models import Job
from service.jobs.rules import TERMINAL, Origin, State
from service.jobs.schemas import CloneRequest, JobRequest, asked_for
from service.kit.identity import Actor


def retry(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """The same request at today's price, for a job that failed or was cancelled.

    Raises UnknownJob, JobNotOver, NothingToRetry, NotRepeatable, and whatever `submit` refuses.
    """
    old = queries.get(session, actor.team, shown_id)
    if old.state not in TERMINAL:
        raise JobNotOver(job=shown_id, state=old.state)
    if old.state == State.SUCCEEDED:
        raise NothingToRetry(job=shown_id)
    return commands.submit(session, actor, _changed(old, shown_id, CloneRequest()), at, origin=(Origin.RETRY, old.id))


def clone(session: Session, actor: Actor, shown_id: str, changes: CloneRequest, at: datetime) -> Job:
    """A second job of the same request with these changes, whatever became of the first.

    Raises UnknownJob, NotRepeatable, and whatever `submit` refuses.
    """
    old = queries.get(session, actor.team, shown_id)
    return commands.submit(session, actor, _changed(old, shown_id, changes), at, origin=(Origin.CLONE, old.id))


def _changed(old: Job, shown_id: str, changes: CloneRequest) -> JobRequest:
    try:
        return JobRequest.model_validate(changes.applied_to(asked_for(old)))
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise NotRepeatable(job=shown_id, why=why) from error
