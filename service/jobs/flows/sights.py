"""Jobs at the provider as all workers may see them, whatever their team: enough to compare with what a list tells.

Reading them costs one statement for thousands, and none of it is a claim: what is then written for a job that had
nothing new is written only if nobody has touched it since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, Select, cast, func, select
from sqlalchemy.orm import Session

from service.jobs import rules
from service.jobs.models import FOLLOW, Job
from service.jobs.rules import State, Wish
from service.kit.work import Claim, Untouched, unheld


@dataclass(frozen=True, slots=True)
class Sight:
    """A job as it stood at one moment."""

    id: UUID
    account: UUID
    provider_job_id: str | None
    state: State
    provider_status: str | None
    wish: Wish | None
    begun_at: datetime  # training, else at the provider
    submitted_at: datetime
    events_asked_at: datetime | None
    is_watched: bool
    fence: int
    attempts: int  # since the last progress
    due_at: datetime
    due_in_seconds: float

    @property
    def wants_a_call(self) -> bool:
        """Something is to be passed on or found out, which no list does."""
        return self.provider_job_id is None or self.state == State.CANCELLING or self.wish is not None

    @property
    def is_due(self) -> bool:
        return self.due_in_seconds <= 0

    @property
    def was_asked_in_vain(self) -> bool:
        return self.attempts > 0

    @property
    def untouched(self) -> Untouched:
        return Untouched(self.id, self.fence, self.due_at)


def due(session: Session, ids: Sequence[UUID]) -> list[Sight]:
    """Those of `ids` that are to be looked at now and held by nobody."""
    # Not clock_timestamp(), which is volatile: no index could find what is due.
    is_due = Job.due_at <= func.statement_timestamp()
    return _read(session, _sights().where(Job.id.in_(ids), Job.state.in_(FOLLOW.states), unheld(Job), is_due))


def of_account(session: Session, account: UUID, *, limit: int | None = None) -> list[Sight]:
    """All jobs of an account that its list can tell about, those due soonest first."""
    listed = (
        Job.connection_id == account, Job.provider_job_id.is_not(None), Job.state.in_(rules.TO_FOLLOW),
        Job.wish.is_(None), unheld(Job), Job.due_at.is_not(None),
    )  # fmt: skip
    return _read(session, _sights().where(*listed).order_by(Job.due_at).limit(limit))


def claimed(session: Session, claims: Sequence[Claim]) -> dict[UUID, Sight]:
    """The claimed jobs as they stand now."""
    return {one.id: one for one in _read(session, _sights().where(Job.id.in_([claim.id for claim in claims])))}


def _sights() -> Select[*tuple[Any, ...]]:
    submitted_at = func.coalesce(Job.submitted_at, Job.created_at)
    now = func.statement_timestamp()
    return select(
        Job.id,
        Job.connection_id.label("account"),
        Job.provider_job_id,
        Job.state,
        Job.provider_status,
        Job.wish,
        func.coalesce(Job.started_at, submitted_at).label("begun_at"),
        submitted_at.label("submitted_at"),
        Job.events_asked_at,
        func.coalesce(Job.watched_until > now, False).label("is_watched"),
        Job.fence,
        Job.attempts,
        Job.due_at,
        cast(func.extract("epoch", Job.due_at - now), Double).label("due_in_seconds"),
    )


def _read(session: Session, found: Select[*tuple[Any, ...]]) -> list[Sight]:
    return [
        Sight(**{**row, "state": State(row["state"]), "wish": Wish(row["wish"]) if row["wish"] else None})
        for row in session.execute(found).mappings().all()
    ]
