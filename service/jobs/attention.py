"""What a person decides about a job that no worker can bring to its end."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.jobs import progress, queries
from service.jobs.errors import NoAttentionAsked, UnknownStray
from service.jobs.models import Job, StrayJob
from service.jobs.rules import State
from service.kit import ids, money
from service.kit.identity import Actor


def give_up(
    session_as_team: Session, operator: Actor, job_id: str, *, trained_tokens: int, reason: str, at: datetime
) -> Job:
    """End a job that asks for attention as failed, and charge what it is known to have trained.

    The unit acts for the job's team, the audit names the operator. Raises UnknownJob or NoAttentionAsked.
    """
    job = queries.get(session_as_team, operator.team, job_id, lock=True)
    if job.attention is None:
        raise NoAttentionAsked(job=job_id)
    before = {"state": job.state, "attention": job.attention}
    job.fence += 1  # whatever a worker is about to write is stale from here on
    job.error_code, job.error_message = "given_up", reason
    if job.provider_job_id is None:
        progress.end_unbilled(session_as_team, job, State.FAILED, f"Given up: {reason}", at)
    else:
        job.trained_tokens = trained_tokens
        progress.end_at_provider(session_as_team, job, State.FAILED, f"Given up: {reason}", at)
    audit.record(
        session_as_team,
        operator,
        "job.given_up",
        object_type="job",
        object_id=ids.show("job", job.id),
        team_id=job.team_id,
        before=before,
        after={"reason": reason, "trained_tokens": trained_tokens, "cost": money.text(job.cost or money.ZERO)},
    )
    session_as_team.flush()
    session_as_team.refresh(job)
    return job


def strays(session: Session, *, limit: int) -> Sequence[StrayJob]:
    """The newest jobs the janitor met where they should not be."""
    return session.scalars(select(StrayJob).order_by(StrayJob.found_at.desc()).limit(limit)).all()


def dismiss_stray(session: Session, operator: Actor, provider_job_id: str, at: datetime) -> StrayJob:
    """Nothing more is to be done about it, through whichever connections it was met. Raises UnknownStray."""
    rows = session.scalars(
        select(StrayJob)
        .where(StrayJob.provider_job_id == provider_job_id)
        .order_by(StrayJob.found_at)
        .with_for_update()
    ).all()
    if not rows:
        raise UnknownStray(job=provider_job_id)
    for row in rows:
        row.settled_at = row.settled_at or at
    audit.record(
        session, operator, "stray.dismissed", object_type="stray_job", object_id=provider_job_id,
        before={"kind": rows[0].kind},
    )  # fmt: skip
    return rows[0]
