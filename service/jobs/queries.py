"""Reading jobs. Every query names the team, although row-level security does too: two locks on one door."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.jobs.errors import UnknownJob
from service.jobs.models import Job, JobEvent, JobMetric
from service.kit import ids, pages


def get(session: Session, team_id: UUID, job: str, *, lock: bool = False) -> Job:
    """A team's job by its shown id. Raises UnknownJob, also for another team's."""
    statement = select(Job).where(Job.team_id == team_id, Job.id == ids.read("job", job))
    row = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        raise UnknownJob(job=job)
    return row


def page(
    session: Session, team_id: UUID, *, after: str | None, limit: int, state: str | None, model: str | None
) -> tuple[list[Job], bool]:
    """A team's jobs, newest first, and whether more follow."""
    statement = select(Job).where(Job.team_id == team_id)
    if state is not None:
        statement = statement.where(Job.state == state)
    if model is not None:
        statement = statement.where(Job.base_model == model)
    cursor = ids.read("job", after) if after else None
    return pages.newest_first(session, statement, Job.id, after=cursor, limit=limit)


def events(session: Session, job: Job, *, after: int, limit: int) -> tuple[Sequence[JobEvent], bool]:
    """Events with a number above `after`, oldest first, and whether more follow."""
    rows = session.scalars(
        select(JobEvent)
        .where(JobEvent.team_id == job.team_id, JobEvent.job_id == job.id, JobEvent.seq > after)
        .order_by(JobEvent.seq)
        .limit(limit + 1)
    ).all()
    return rows[:limit], len(rows) > limit


def metrics(session: Session, job: Job) -> Sequence[JobMetric]:
    """All metrics of a job, by step."""
    return session.scalars(
        select(JobMetric).where(JobMetric.team_id == job.team_id, JobMetric.job_id == job.id).order_by(JobMetric.step)
    ).all()


def fingerprints(session: Session, job: Job) -> set[str]:
    """Which of the provider's events a job already has."""
    found = session.scalars(
        select(JobEvent.fingerprint).where(JobEvent.team_id == job.team_id, JobEvent.job_id == job.id)
    )
    return {one for one in found if one is not None}
