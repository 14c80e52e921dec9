"""Jobs by the provider account they run on."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.jobs.models import FOLLOW, SUBMIT, Job
from service.jobs.rules import TERMINAL


def open_on(session_as_operator: Session, connection_id: UUID) -> int:
    """How many jobs on the account are not over."""
    of_it = (Job.connection_id == connection_id, Job.state.not_in(TERMINAL))
    return session_as_operator.scalars(select(func.count()).where(*of_it)).one()


def wake_all(session_as_worker: Session, connection_id: UUID) -> None:
    """Have every job that waits to be brought to the account, or looked at there, taken up now."""
    session_as_worker.execute(
        update(Job)
        .where(
            Job.connection_id == connection_id,
            Job.state.in_(SUBMIT.states | FOLLOW.states),
            Job.due_at > func.clock_timestamp(),
            Job.lease_until.is_(None),
            Job.attention.is_(None),
        )
        .values(due_at=func.clock_timestamp(), hinted_at=None),
        execution_options={"synchronize_session": False},
    )
