"""Moves of aliases: what they serve from now on, with a row of history each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.kit.identity import Actor
from service.kit.ids import show
from service.registry import queries, rules
from service.registry.errors import ModelNotFound, VersionNotFound, VersionNotReady
from service.registry.models import Alias, AliasMove, AliasTarget, Model, ModelVersion
from service.registry.rules import WHOLE, Action, State
from service.registry.schemas import AliasView

Targets = Sequence[tuple[ModelVersion, int]]
"""Versions with their shares in hundredths of a percent, the largest first."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a move is for: `evidence` is whatever the mover wants to be found in the history."""

    actor: Actor
    action: Action
    reason: str | None
    at: datetime
    evidence: dict[str, Any] | None = None


def promote(
    session: Session, actor: Actor, name: str, alias: str, *, version: int, reason: str | None, at: datetime
) -> AliasView:
    """Let the team's `alias` mean this version from now on; to where it already points is no move and leaves no trace.

    Raises ModelNotFound, VersionNotFound and VersionNotReady.
    """
    rules.check_name(alias, pointer="alias")
    model = _locked(session, actor.team, name)
    target = _ready(session, model, version)
    row = _row(session, model, alias)
    if row.version_id != target.id:
        _serve(session, model, row, [(target, WHOLE)], Move(actor, Action.PROMOTE, reason, at))
    return queries.alias_view(session, model.team_id, model.id, alias)


def _locked(session: Session, team_id: UUID, name: str) -> Model:
    """The team's model. Moves of its aliases come one after the other: each names what was there before it."""
    model = session.scalars(
        select(Model).where(Model.team_id == team_id, Model.name == name).with_for_update(key_share=True)
    ).one_or_none()
    if model is None:
        raise ModelNotFound(name=name)
    return model


def _row(session: Session, model: Model, alias: str) -> Alias:
    """The alias, or one that has never been moved."""
    known = session.get(Alias, (model.team_id, model.id, alias))
    return known or Alias(team_id=model.team_id, model_id=model.id, alias=alias, version_id=None, revision=0)


def _ready(session: Session, model: Model, number: int) -> ModelVersion:
    found = session.scalars(
        select(ModelVersion).where(
            ModelVersion.team_id == model.team_id, ModelVersion.model_id == model.id, ModelVersion.number == number
        )
    ).one_or_none()
    if found is None:
        raise VersionNotFound(name=model.name, version=number, pointer="#/version")
    if found.state != State.READY:
        raise VersionNotReady(name=model.name, version=number, state=found.state, pointer="#/version")
    return found


def _serve(session: Session, model: Model, row: Alias, targets: Targets, move: Move) -> None:
    """Write that the alias serves `targets` from now on: the row, its shares, the history, the audit and the event."""
    main = targets[0][0]
    before = {"alias": row.alias, "version_id": show("mver", row.version_id)} if row.version_id else None
    if row.version_id != main.id:
        row.previous_version_id, row.version_id = row.version_id, main.id
    row.moved_at, row.moved_by, row.reason = move.at, move.actor.name, move.reason
    row.revision += 1
    session.add(row)
    session.flush()
    _replace_targets(session, row, targets)
    shown = [{"version": one.number, "weight": weight, "model": one.provider_model_id} for one, weight in targets]
    session.add(
        AliasMove(
            team_id=model.team_id,
            model_id=model.id,
            alias=row.alias,
            revision=row.revision,
            at=move.at,
            by=move.actor.name,
            action=move.action,
            targets=shown,
            reason=move.reason,
            evidence=move.evidence,
        )
    )
    session.flush()
    identity = show("model", model.id)
    audit.record(
        session,
        move.actor,
        "model.promoted",
        object_type="model",
        object_id=identity,
        before=before,
        after={"alias": row.alias, "version_id": show("mver", main.id), "version": main.number, "reason": move.reason},
    )
    webhooks.publish(
        session, model.team_id, webhooks.EventType.MODEL_PROMOTED, move.at,
        id=identity, name=model.name, alias=row.alias, version=main.number,
    )  # fmt: skip


def _replace_targets(session: Session, row: Alias, targets: Targets) -> None:
    of_alias = {"team_id": row.team_id, "model_id": row.model_id, "alias": row.alias}
    session.execute(delete(AliasTarget).filter_by(**of_alias), execution_options={"synchronize_session": False})
    session.add_all(AliasTarget(**of_alias, version_id=one.id, weight=weight) for one, weight in targets)
