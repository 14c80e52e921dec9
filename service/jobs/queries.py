"""Reading jobs. Every query names the team, although row-level security does too: two locks on one door."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Uuid, column, exists, func, or_, select, values
from sqlalchemy.orm import Session

from service.jobs.errors import UnknownJob
from service.jobs.hours import Told
from service.jobs.models import Job, JobCheckpoint, JobEvent, JobMetric
from service.jobs.rules import TERMINAL
from service.kit import ids, pages
from service.registry import TunedModel


def get(session: Session, team_id: UUID, job: str, *, lock: bool = False) -> Job:
    """A team's job by its shown id. Raises UnknownJob, also for another team's."""
    statement = select(Job).where(Job.team_id == team_id, Job.id == ids.read("job", job))
    row = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        raise UnknownJob(job=job)
    return row


def page(
    session: Session,
    team_id: UUID,
    *,
    after: str | None,
    limit: int,
    state: str | None = None,
    model: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[list[Job], bool]:
    """A team's jobs, newest first, and whether more follow; with `metadata`, those that carry all of it."""
    statement = select(Job).where(Job.team_id == team_id)
    if state is not None:
        statement = statement.where(Job.state == state)
    if model is not None:
        statement = statement.where(Job.base_model == model)
    if metadata:
        statement = statement.where(Job.labels.contains(dict(metadata)))
    cursor = ids.read("job", after) if after else None
    return pages.newest_first(session, statement, Job.id, after=cursor, limit=limit)


def tuned_by_job(session: Session, team_id: UUID, model: str) -> TunedModel | None:
    """What one of the team's jobs made under that provider's id: its final model, or a checkpoint."""
    made = select(Job.base_model, Job.connection_id).where(Job.team_id == team_id)
    checkpoint = exists().where(
        JobCheckpoint.team_id == Job.team_id, JobCheckpoint.job_id == Job.id, JobCheckpoint.model == model
    )
    row = session.execute(made.where(or_(Job.fine_tuned_model == model, checkpoint)).limit(1)).one_or_none()
    return row and TunedModel(model, row.base_model, row.connection_id)


def events(session: Session, job: Job, *, after: int, limit: int) -> tuple[Sequence[JobEvent], bool]:
    """Events with a number above `after`, oldest first, and whether more follow."""
    rows = session.scalars(
        select(JobEvent)
        .where(JobEvent.team_id == job.team_id, JobEvent.job_id == job.id, JobEvent.seq > after)
        .order_by(JobEvent.seq)
        .limit(limit + 1)
    ).all()
    return rows[:limit], len(rows) > limit


def slots_held(session: Session, team_id: UUID) -> int:
    """How many of the team's jobs have their turn now."""
    held = select(func.count()).select_from(Job).where(Job.team_id == team_id, Job.slot_at.is_not(None))
    return session.scalars(held).one()


@dataclass(frozen=True, slots=True)
class Head:
    """How far a job's history has come."""

    state: str
    events: int  # the number of the last one
    is_over: bool


class Cursor(NamedTuple):
    """A place in a job's history: the last event somebody has."""

    job: UUID
    seq: int


def heads(session: Session, team_id: UUID, job_ids: Collection[UUID]) -> dict[UUID, Head]:
    """Those of `job_ids` that are the team's."""
    rows = session.execute(
        select(Job.id, Job.state, Job.events_count).where(Job.team_id == team_id, Job.id.in_(job_ids))
    )
    return {row.id: Head(row.state, row.events_count, row.state in TERMINAL) for row in rows}


def events_beyond(
    session: Session, team_id: UUID, cursors: Collection[Cursor], *, limit: int
) -> dict[Cursor, list[JobEvent]]:
    """The next `limit` events at most from each cursor on, oldest first; nothing for one that has them all."""
    if not cursors:
        return {}
    wanted = values(column("job_id", Uuid), column("seq", Integer), name="wanted").data([tuple(one) for one in cursors])
    # Numbers have no gaps, so that a range of them is a limit for each cursor.
    follows = (JobEvent.job_id == wanted.c.job_id) & JobEvent.seq.between(wanted.c.seq + 1, wanted.c.seq + limit)
    found: dict[Cursor, list[JobEvent]] = {}
    rows = session.execute(
        select(JobEvent, wanted.c.seq).join(wanted, follows).where(JobEvent.team_id == team_id).order_by(JobEvent.seq)
    )
    for event, seq in rows:
        found.setdefault(Cursor(event.job_id, seq), []).append(event)
    return found


def metrics(session: Session, job: Job, *, after: int = -1) -> Sequence[JobMetric]:
    """The metrics of a job, by step, from the one beyond `after` on."""
    return session.scalars(
        select(JobMetric)
        .where(JobMetric.team_id == job.team_id, JobMetric.job_id == job.id, JobMetric.step > after)
        .order_by(JobMetric.step)
    ).all()


def checkpoints(session: Session, job: Job) -> Sequence[JobCheckpoint]:
    """The checkpoints of a job, by step; none before they were collected."""
    return session.scalars(
        select(JobCheckpoint)
        .where(JobCheckpoint.team_id == job.team_id, JobCheckpoint.job_id == job.id)
        .order_by(JobCheckpoint.step)
    ).all()


def known_fingerprints(session: Session, team_id: UUID, job_id: UUID, told: Collection[str]) -> set[str]:
    """Which of these events of the provider's a job already has."""
    found = session.scalars(
        select(JobEvent.fingerprint).where(
            JobEvent.team_id == team_id, JobEvent.job_id == job_id, JobEvent.fingerprint.in_(told)
        )
    )
    return {one for one in found if one is not None}


def told(session: Session, job: Job) -> list[Told]:
    """When the provider has said what of a job, in the order it was heard."""
    rows = session.execute(
        select(JobEvent.at, JobEvent.type, JobEvent.message)
        .where(JobEvent.team_id == job.team_id, JobEvent.job_id == job.id, JobEvent.source == "provider")
        .order_by(JobEvent.seq)
    )
    return [Told(*row) for row in rows]


def known_steps(session: Session, job: Job, told: Collection[int]) -> set[int]:
    """Which of these steps a job already has metrics of."""
    found = session.scalars(
        select(JobMetric.step).where(
            JobMetric.team_id == job.team_id, JobMetric.job_id == job.id, JobMetric.step.in_(told)
        )
    )
    return set(found)
