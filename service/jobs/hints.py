"""Hints that a job may have news, so that workers look sooner. A hint is never the news itself.

What a hint makes due early it makes due only: what an empty search proves counts from when we asked (docs/protocol.md).
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from service.jobs.models import FOLLOW, Job
from service.jobs.rules import TERMINAL, TO_FOLLOW
from service.kit.settings import settings


def hint(session_as_worker: Session, connection_id: UUID, provider_job_id: str) -> bool:
    """The provider has something to tell of its job: have it looked at now. False where no job of ours is followed."""
    hinted = session_as_worker.execute(
        update(Job)
        .where(
            Job.connection_id == connection_id,
            Job.provider_job_id == provider_job_id,
            Job.state.in_(FOLLOW.states),
            Job.due_at.is_not(None),
        )
        .values(due_at=func.clock_timestamp(), hinted_at=None)
        .returning(Job.id),
        execution_options={"synchronize_session": False},
    )
    return hinted.one_or_none() is not None


def watch(session: Session, team_id: UUID, jobs: Collection[UUID]) -> None:
    """Somebody looks at these jobs of the team: workers look at them sooner from now on, for a while.

    Whoever begins to watch has the job looked at now. Said again while more than half of the while is left, it costs no
    write. A row that is locked is being worked on, and left for the next time.
    """
    now, lasts = func.clock_timestamp(), timedelta(seconds=settings().watched_seconds)
    news = (
        select(Job.id)
        .where(
            Job.team_id == team_id,
            Job.id.in_(jobs),
            Job.state.not_in(TERMINAL),
            or_(Job.watched_until.is_(None), Job.watched_until < now + lasts / 2),
        )
        .with_for_update(skip_locked=True)
    )
    begins = and_(Job.state.in_(TO_FOLLOW), Job.due_at > now, or_(Job.watched_until.is_(None), Job.watched_until < now))
    session.execute(
        update(Job)
        .where(Job.team_id == team_id, Job.id.in_(news))
        .values(
            watched_until=now + lasts,
            due_at=case((begins, now), else_=Job.due_at),
            hinted_at=case((begins, None), else_=Job.hinted_at),
        ),
        execution_options={"synchronize_session": False},
    )
