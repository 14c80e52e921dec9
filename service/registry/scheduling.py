"""Moves asked for at an instant to come: a canary's ramp, a promotion on Monday morning."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.kit import work
from service.kit.errors import TuneplaneError
from service.kit.identity import Actor, DbRole
from service.kit.ids import new_id, show
from service.kit.pages import Page, newest_first, page_of
from service.registry import moving, queries, rules
from service.registry.errors import ModelNotFound, ScheduleEnded, ScheduleNotFound, StartsInThePast, VersionNotFound
from service.registry.models import AliasSchedule, Model
from service.registry.moving import Move
from service.registry.rules import Scheduled
from service.registry.schemas import ScheduledShare, ScheduleView, Share


def schedule(
    session: Session, move: Move, name: str, alias: str, shares: Sequence[Share], *, starts_at: datetime
) -> ScheduleView:
    """Have the alias serve these versions from `starts_at` on, made then by a worker as if the mover had asked then.

    Only who may move it now may do that. Raises StartsInThePast, VersionNotFound, and as `split`.
    """
    rules.check_name(alias, pointer="alias")
    rules.check_shares([(one.version, one.weight) for one in shares])
    if starts_at <= move.at:
        raise StartsInThePast(pointer="#/starts_at")
    place = moving.placed(session, move, name, alias)
    moving.check_mover(place, move)
    for one in shares:
        if queries.version_row(session, place.model.team_id, place.model.id, one.version) is None:
            raise VersionNotFound(name=name, version=one.version, pointer="#/version")
    row = AliasSchedule(
        id=new_id(), team_id=place.model.team_id, model_id=place.model.id, alias=alias, starts_at=starts_at,
        targets=[one.model_dump() for one in shares], reason=move.reason or "", by=move.actor.name,
        role=move.actor.role, state=Scheduled.WAITING, due_at=starts_at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _note(session, move.actor, row, "model.move_scheduled", targets=row.targets, starts_at=starts_at, reason=row.reason)
    return _view(row)


def schedules(
    session: Session, team_id: UUID, name: str, alias: str, *, after: UUID | None, limit: int
) -> Page[ScheduleView]:
    """Scheduled moves of the alias, the newest first, whatever became of them. Raises ModelNotFound."""
    wanted = select(AliasSchedule).where(
        AliasSchedule.team_id == team_id,
        AliasSchedule.model_id == _model(session, team_id, name),
        AliasSchedule.alias == alias,
    )
    rows, has_more = newest_first(session, wanted, AliasSchedule.id, after=after, limit=limit)
    return page_of([_view(row) for row in rows], has_more=has_more)


def call_off(session: Session, move: Move, name: str, alias: str, schedule_id: UUID) -> ScheduleView:
    """Never make a move that waits; called off again it is called off. Raises ScheduleNotFound and ScheduleEnded."""
    team_id = move.actor.team
    row = session.scalars(
        select(AliasSchedule)
        .where(
            AliasSchedule.team_id == team_id,
            AliasSchedule.id == schedule_id,
            AliasSchedule.model_id == _model(session, team_id, name),
            AliasSchedule.alias == alias,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise ScheduleNotFound(schedule=show("sched", schedule_id))
    if row.state == Scheduled.WAITING:
        moving.check_mover(moving.placed(session, move, name, alias), move)
        _end(row, Scheduled.CANCELLED, None, move.at)
        session.flush()
        _note(session, move.actor, row, "model.move_called_off", reason=move.reason)
    elif row.state != Scheduled.CANCELLED:
        raise ScheduleEnded(schedule=show("sched", row.id), state=row.state)
    return _view(row)


def carry_out(session: Session, row: AliasSchedule, at: datetime) -> None:
    """Make the move of a claimed row; where it is refused, say why and tell."""
    actor = Actor(db_role=DbRole.TEAM, name=row.by, team_id=row.team_id, role=row.role)
    model = session.get_one(Model, row.model_id)
    identity = show("sched", row.id)
    move = Move(actor, at, row.reason or None, evidence={"schedule": identity})
    try:
        moving.split(session, move, model.name, row.alias, [Share(**one) for one in row.targets])
    except TuneplaneError as refused:
        _end(row, Scheduled.FAILED, refused.message[:500], at)
        webhooks.publish(
            session, row.team_id, webhooks.EventType.MODEL_MOVE_FAILED, at,
            id=show("model", model.id), name=model.name, alias=row.alias, schedule=identity, code=refused.code,
        )  # fmt: skip
    else:
        _end(row, Scheduled.DONE, None, at)


def _end(row: AliasSchedule, state: Scheduled, outcome: str | None, at: datetime) -> None:
    row.state, row.outcome, row.ended_at = state, outcome, at
    work.finish(row)


def _model(session: Session, team_id: UUID, name: str) -> UUID:
    found = session.scalar(select(Model.id).where(Model.team_id == team_id, Model.name == name))
    if found is None:
        raise ModelNotFound(name=name)
    return found


def _note(session: Session, actor: Actor, row: AliasSchedule, action: str, **after: object) -> None:
    audit.record(
        session, actor, action, object_type="model", object_id=show("model", row.model_id),
        after={"alias": row.alias, "schedule": show("sched", row.id), **after},
    )  # fmt: skip


def _view(row: AliasSchedule) -> ScheduleView:
    return ScheduleView(
        id=show("sched", row.id),
        alias=row.alias,
        starts_at=row.starts_at,
        targets=[ScheduledShare(**one) for one in row.targets],
        reason=row.reason or None,
        by=row.by,
        state=row.state,
        ended_at=row.ended_at,
        outcome=row.outcome,
    )
