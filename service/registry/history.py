"""What an alias served, move by move."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.kit.pages import Page
from service.registry.errors import ModelNotFound, NothingServed
from service.registry.models import Alias, AliasMove, Model
from service.registry.schemas import MoveView, TargetView


def moves(
    session: Session, team_id: UUID, name: str, alias: str, *, at: datetime | None, after: int | None, limit: int
) -> Page[MoveView]:
    """Moves of the alias, the latest first; with `at` only the one whose targets were served at that instant.

    `after` is a revision. Raises ModelNotFound, and NothingServed where no move was ever made, or none by then.
    """
    model_id = session.scalar(select(Model.id).where(Model.team_id == team_id, Model.name == name))
    if model_id is None:
        raise ModelNotFound(name=name)
    wanted = _of(team_id, model_id, alias)
    if at is not None:
        wanted, limit = wanted.where(AliasMove.at <= at), 1
    if after is not None:
        wanted = wanted.where(AliasMove.revision < after)
    rows = list(session.scalars(wanted.limit(limit + 1)))
    if not rows and after is None:
        raise NothingServed(name=name, alias=alias)
    views = [_view(row) for row in rows[:limit]]
    first, last = (str(views[0].revision), str(views[-1].revision)) if views else (None, None)
    return Page[MoveView](data=views, has_more=at is None and len(rows) > limit, first_id=first, last_id=last)


def last_whole(session: Session, row: Alias, *, besides: int | None) -> int | None:
    """Number of the version, another than `besides`, that last had all of the alias' traffic."""
    version = AliasMove.targets[0]["version"].as_integer()
    whole = select(version).where(
        AliasMove.team_id == row.team_id,
        AliasMove.model_id == row.model_id,
        AliasMove.alias == row.alias,
        func.jsonb_array_length(AliasMove.targets) == 1,
    )
    if besides is not None:
        whole = whole.where(version != besides)
    return session.scalar(whole.order_by(AliasMove.revision.desc()).limit(1))


def has_served(session: Session, row: Alias, number: int) -> bool:
    """Whether the alias has ever sent traffic to the version."""
    found = _of(row.team_id, row.model_id, row.alias).where(AliasMove.targets.contains([{"version": number}]))
    return session.scalars(found.limit(1)).one_or_none() is not None


def served_numbers(session: Session, row: Alias) -> list[int]:
    """Versions the alias has served, the latest first and of one move the largest share first, each once."""
    found = session.scalars(_of(row.team_id, row.model_id, row.alias).limit(100))
    return list(dict.fromkeys(target["version"] for move in found for target in move.targets))


def _of(team_id: UUID, model_id: UUID, alias: str) -> Select[Any]:
    return (
        select(AliasMove)
        .where(AliasMove.team_id == team_id, AliasMove.model_id == model_id, AliasMove.alias == alias)
        .order_by(AliasMove.revision.desc())
    )


def _view(row: AliasMove) -> MoveView:
    return MoveView(
        revision=row.revision,
        at=row.at,
        by=row.by,
        action=row.action,
        targets=[TargetView(**one) for one in row.targets],
        reason=row.reason,
        evidence=row.evidence,
    )
