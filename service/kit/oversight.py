"""Work as those who run the platform see it: how much is due, what waits for a person, and handing that back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from service.kit.errors import NotFound
from service.kit.work import Kind, ready


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a kind of work stands: rows due and free, the oldest of them, and rows that wait for a person."""

    due: int
    oldest_seconds: float
    attention: int


def backlog(session: Session, kind: Kind) -> Backlog:
    """How much of a kind is waiting."""
    model, free = kind.model, ready(kind.model)
    waited = func.extract("epoch", func.clock_timestamp() - func.min(model.due_at).filter(free))
    row = session.execute(
        select(
            func.count().filter(free), func.coalesce(waited, 0), func.count().filter(model.attention.is_not(None))
        ).where(model.state.in_(kind.states), or_(model.due_at.is_not(None), model.attention.is_not(None)))
    ).one()
    return Backlog(due=row[0], oldest_seconds=float(row[1]), attention=row[2])


class NothingWaits(NotFound):
    """{id} does not wait for a person. GET /v1/attention lists what does."""

    code = "nothing_waits"


def asking(session: Session, kind: Kind, *, limit: int) -> Sequence[Any]:
    """Rows of the kind's table that wait for a person, longest first: id, team_id, state, attention and its since."""
    model = kind.model
    return session.execute(
        select(model.id, model.team_id, model.state, model.attention, model.attention_since)
        .where(model.attention.is_not(None))
        .order_by(model.attention_since)
        .limit(limit)
    ).all()


def try_again(session: Session, kind: Kind, row_id: UUID) -> Any:
    """Hand a row that waits for a person back to the workers; returns it as it was. None where it does not wait."""
    model = kind.model
    was = session.execute(
        select(model.id, model.team_id, model.state, model.attention, model.attention_since)
        .where(model.id == row_id, model.attention.is_not(None))
        .with_for_update()
    ).one_or_none()
    if was is not None:
        session.execute(
            update(model)
            .where(model.id == row_id)
            .values(attention=None, attention_since=None, attempts=0, hinted_at=None, due_at=func.clock_timestamp()),
            execution_options={"synchronize_session": False},
        )
    return was


def team_of(session: Session, kind: Kind, row_id: UUID) -> UUID | None:
    """Whose the row is."""
    team: UUID | None = session.scalar(select(kind.model.team_id).where(kind.model.id == row_id))
    return team
