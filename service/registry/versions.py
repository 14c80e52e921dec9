"""What happens to a version after it was registered: its verdict, its notes, its end."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.kit import work
from service.kit.identity import Actor, worker_for
from service.kit.ids import show
from service.registry import history, moving, queries
from service.registry.errors import ModelNotFound, VersionNotFound, VersionServed
from service.registry.models import Alias, AliasTarget, Model, ModelVersion
from service.registry.moving import Move, Place
from service.registry.rules import WHOLE, Action, State
from service.registry.schemas import VersionView


def attach_verdict(
    session: Session,
    actor: Actor,
    version_id: UUID,
    verdict: Literal["passed", "failed"],
    evidence: dict[str, Any] | None,
    *,
    at: datetime,
) -> None:
    """Say how an evaluation of the team's version came out; the latest counts. Aliases may require `passed`."""
    row = session.scalars(
        select(ModelVersion).where(ModelVersion.team_id == actor.team, ModelVersion.id == version_id).with_for_update()
    ).one()
    row.verdict, row.verdict_evidence, row.verdict_at = verdict, evidence, at
    session.flush()
    _note(session, actor, row, "model.verdict_attached", verdict=verdict)


def annotate(session: Session, actor: Actor, name: str, number: int, notes: str | None) -> VersionView:
    """Replace a version's notes. Raises ModelNotFound and VersionNotFound."""
    row = _locked(session, actor.team, name, number)
    row.notes = notes
    session.flush()
    _note(session, actor, row, "model.version_annotated", notes=notes)
    return queries.find_version(session, actor.team, row.id)


def retire(session: Session, actor: Actor, name: str, number: int, *, reason: str, at: datetime) -> VersionView:
    """Take a version out of service for good. Raises VersionServed while an alias serves it."""
    row = _locked(session, actor.team, name, number)
    if row.state != State.RETIRED:
        serving = session.scalars(_serving(row).order_by(Alias.alias).limit(1)).one_or_none()
        if serving is not None:
            raise VersionServed(name=name, version=number, alias=serving.alias)
        row.state, row.retired_at = State.RETIRED, at
        work.finish(row)
        session.flush()
        _note(session, actor, row, "model.version_retired", reason=reason)
    return queries.find_version(session, actor.team, row.id)


def note_unavailable(session: Session, version: ModelVersion, at: datetime) -> None:
    """The provider has it no more: tell its owners, and move the aliases that are set to move. Its model is locked."""
    version.state, version.unavailable_since = State.UNAVAILABLE, at
    session.flush()
    model = session.get_one(Model, version.model_id)
    webhooks.publish(
        session, version.team_id, webhooks.EventType.MODEL_UNAVAILABLE, at,
        id=show("mver", version.id), model=version.provider_model_id, name=model.name, version=version.number,
    )  # fmt: skip
    worker = worker_for(version.team_id)
    _note(session, worker, version, "model.version_unavailable")
    for row in session.scalars(_serving(version).where(Alias.on_unavailable == "move").order_by(Alias.alias)).all():
        _move_away(session, Place(model, row, queries.targets_of(session, row)), version, worker, at)


def _move_away(session: Session, place: Place, version: ModelVersion, worker: Actor, at: datetime) -> None:
    """To the version served last that answers, else to the model's fallback."""
    reason = f"version {version.number} does not answer any more"
    move = Move(worker, at, reason, evidence={"unavailable": version.provider_model_id})
    for number in history.served_numbers(session, place.row):
        other = queries.version_row(session, version.team_id, version.model_id, number)
        if other is not None and other.state == State.READY and other.verdict != "failed":
            moving.serve_unchecked(session, place, [(other, WHOLE)], Action.FALLBACK, move)
            return
    if not place.row.fallen_back:
        moving.serve_unchecked(session, place, place.targets, Action.FALLBACK, move, fallen_back=True)


def _serving(version: ModelVersion) -> Any:
    """Aliases that send any traffic to the version."""
    mine = (
        select(AliasTarget.alias)
        .where(
            AliasTarget.team_id == version.team_id,
            AliasTarget.model_id == version.model_id,
            AliasTarget.version_id == version.id,
        )
    )  # fmt: skip
    return select(Alias).where(
        Alias.team_id == version.team_id, Alias.model_id == version.model_id, Alias.alias.in_(mine)
    )


def _locked(session: Session, team_id: UUID, name: str, number: int) -> ModelVersion:
    """The version, its model locked before it, as everybody does."""
    model = session.scalars(
        select(Model).where(Model.team_id == team_id, Model.name == name).with_for_update(key_share=True)
    ).one_or_none()
    if model is None:
        raise ModelNotFound(name=name)
    row = queries.version_row(session, team_id, model.id, number)
    if row is None:
        raise VersionNotFound(name=name, version=number)
    return row


def _note(session: Session, actor: Actor, row: ModelVersion, action: str, **after: object) -> None:
    audit.record(
        session, actor, action, object_type="model", object_id=show("model", row.model_id),
        after={"version": row.number, **after},
    )  # fmt: skip
