"""Moves of aliases: what they serve from now on. Each is the next revision, with a row of history, or it is no move."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.kit.identity import Actor
from service.kit.ids import show
from service.registry import history, queries, rules
from service.registry.errors import (
    AliasMoved,
    AliasProtected,
    ModelNotFound,
    NothingBefore,
    NothingServed,
    ReasonRequired,
    VerdictRequired,
    VersionNotFound,
    VersionNotReady,
)
from service.registry.models import Alias, AliasMove, AliasTarget, Model, ModelVersion
from service.registry.rules import WHOLE, Action, State
from service.registry.schemas import AliasView, Protection, Share

_EVENTS: Final = {
    Action.ROLLBACK: webhooks.EventType.MODEL_ROLLED_BACK,
    Action.REMOVE: webhooks.EventType.MODEL_ALIAS_REMOVED,
}


Targets = Sequence[tuple[ModelVersion, int]]
"""Versions with their shares in hundredths of a percent, the largest first."""


@dataclass(frozen=True, slots=True)
class Move:
    """Who moves an alias, why and when. `expected`: the revision they think it is at; `evidence`: for the history."""

    actor: Actor
    at: datetime
    reason: str | None = None
    expected: int | None = None
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An alias of a model that is locked: its moves come one after the other."""

    model: Model
    row: Alias
    targets: list[tuple[ModelVersion, int]]  # what it serves now


def promote(
    session: Session, actor: Actor, name: str, alias: str, *, version: int, reason: str | None, at: datetime
) -> AliasView:
    """Let the team's `alias` mean this version from now on; see `split`."""
    return split(session, Move(actor, at, reason), name, alias, [Share(version=version, weight=WHOLE)])


def split(session: Session, move: Move, name: str, alias: str, shares: Sequence[Share]) -> AliasView:
    """Let the team's `alias` serve these versions by these shares; what it serves already is no move.

    Raises ModelNotFound, VersionNotFound, VersionNotReady, AliasMoved, AliasProtected, ReasonRequired, VerdictRequired
    and BadShares.
    """
    rules.check_name(alias, pointer="alias")
    rules.check_shares([(one.version, one.weight) for one in shares])
    place = placed(session, move, name, alias)
    targets = [(_ready(session, place.model, one.version), one.weight) for one in shares]
    action = Action.PROMOTE if len(targets) == 1 else Action.CANARY
    _serve(session, place, targets, action, move, gate=_must_have_passed)
    return queries.alias_view(session, place.model.team_id, place.model.id, alias)


def roll_back(session: Session, move: Move, name: str, alias: str, *, version: int | None) -> AliasView:
    """Back to a version, or to the one that last had all of the traffic before: that one is `previous_version`.

    A version that has served needs no passed verdict, but must not have failed. Raises NothingBefore, and as `split`.
    """
    place = _existing(session, move, name, alias)
    number = version or queries.number_of(session, place.model, place.row.previous_version_id)
    if number is None:
        raise NothingBefore(name=name, alias=alias)
    target = _ready(session, place.model, number)
    has_served = history.has_served(session, place.row, number)
    gate = _must_not_have_failed if has_served else _must_have_passed
    _serve(session, place, [(target, WHOLE)], Action.ROLLBACK, move, gate=gate)
    return queries.alias_view(session, place.model.team_id, place.model.id, alias)


def stop(session: Session, move: Move, name: str, alias: str) -> AliasView:
    """End a split at once: what last had all of the traffic before it has all of it again. Raises as `roll_back`."""
    place = _existing(session, move, name, alias)
    if len(place.targets) > 1:
        number = queries.number_of(session, place.model, place.row.previous_version_id)
        stable = _ready(session, place.model, number) if number else place.targets[0][0]
        _serve(session, place, [(stable, WHOLE)], Action.STOP, move, gate=_must_not_have_failed)
    return queries.alias_view(session, place.model.team_id, place.model.id, alias)


def remove(session: Session, move: Move, name: str, alias: str) -> None:
    """Let the alias mean nothing any more. Its history stays. Raises ModelNotFound, NothingServed and as `split`."""
    place = _existing(session, move, name, alias)
    _serve(session, place, [], Action.REMOVE, move, gate=_must_not_have_failed)


def protect(session: Session, move: Move, name: str, alias: str, protection: Protection) -> AliasView:
    """Say who may move the alias from now on, what a version needs, and what happens when it stops answering.

    Only who may move it may change that, and nobody may ask for a role beyond their own. Raises as `split`.
    """
    place = _existing(session, move, name, alias)
    row = place.row
    if not rules.may_move(move.actor.role, protection.role):
        raise AliasProtected(alias=alias, needed=protection.role, role=move.actor.role)
    wanted = (protection.role, protection.required_verdict, protection.on_unavailable)
    if wanted != (row.protected_role, row.required_verdict, row.on_unavailable):
        check_mover(place, move)
        row.protected_role, row.required_verdict, row.on_unavailable = wanted
        _record(session, place, place.targets, Action.PROTECT, move)
        audit.record(
            session,
            move.actor,
            "model.protect",
            object_type="model",
            object_id=show("model", place.model.id),
            after={"alias": alias, **protection.model_dump(), "reason": move.reason, "revision": row.revision},
        )
    return queries.alias_view(session, place.model.team_id, place.model.id, alias)


def _existing(session: Session, move: Move, name: str, alias: str) -> Place:
    place = placed(session, move, name, alias)
    if place.row.version_id is None:
        raise NothingServed(name=name, alias=alias)
    return place


def placed(session: Session, move: Move, name: str, alias: str) -> Place:
    """The place of a move, found at the revision it expects. Raises ModelNotFound and AliasMoved."""
    team_id = move.actor.team
    model = session.scalars(
        select(Model).where(Model.team_id == team_id, Model.name == name).with_for_update(key_share=True)
    ).one_or_none()
    if model is None:
        raise ModelNotFound(name=name)
    known = session.get(Alias, (team_id, model.id, alias), populate_existing=True)
    row = known or Alias(team_id=team_id, model_id=model.id, alias=alias, version_id=None, revision=0)
    if move.expected is not None and (row.version_id is None or row.revision != move.expected):
        raise AliasMoved(alias=alias, expected=move.expected, revision=row.revision)
    return Place(model, row, queries.targets_of(session, row))


def _ready(session: Session, model: Model, number: int) -> ModelVersion:
    found = queries.version_row(session, model.team_id, model.id, number)
    if found is None:
        raise VersionNotFound(name=model.name, version=number, pointer="#/version")
    if found.state != State.READY:
        raise VersionNotReady(name=model.name, version=number, state=found.state, pointer="#/version")
    return found


def _must_have_passed(version: ModelVersion) -> bool:
    return version.verdict == "passed"


def _must_not_have_failed(version: ModelVersion) -> bool:
    return version.verdict != "failed"


def _serve(
    session: Session,
    place: Place,
    targets: list[tuple[ModelVersion, int]],
    action: Action,
    move: Move,
    *,
    gate: Callable[[ModelVersion], bool],
) -> None:
    """Serve `targets` from now on, unless that is what is served."""
    row = place.row
    targets = sorted(targets, key=lambda one: (-one[1], one[0].id != row.version_id, one[0].number))
    served = {version.id: weight for version, weight in place.targets}
    if served == {version.id: weight for version, weight in targets} and not row.fallen_back:
        return
    check_mover(place, move)
    for version, _ in targets if row.required_verdict else ():
        if not gate(version):
            raise VerdictRequired(alias=row.alias, version=version.number, verdict=version.verdict or "none")
    serve_unchecked(session, place, targets, action, move)


def check_mover(place: Place, move: Move) -> None:
    """Raises AliasProtected and ReasonRequired."""
    row = place.row
    if not rules.may_move(move.actor.role, row.protected_role):
        raise AliasProtected(alias=row.alias, needed=row.protected_role, role=move.actor.role)
    if not move.reason and (row.protected_role or row.required_verdict):
        raise ReasonRequired(alias=row.alias, pointer="#/reason")


def serve_unchecked(
    session: Session, place: Place, targets: Targets, action: Action, move: Move, *, fallen_back: bool = False
) -> None:  # fmt: skip
    """Write that an alias of a locked model serves `targets`, the largest first, whoever it is that moves it."""
    model, row = place.model, place.row
    main = targets[0][0] if targets else None
    before = history.last_whole(session, row, besides=main.number if main and len(targets) == 1 else None)
    was = row.version_id
    row.previous_version_id = queries.id_of_number(session, model, before)
    row.version_id, row.fallen_back = main.id if main else None, fallen_back
    _record(session, place, targets, action, move)
    of_alias = {"team_id": row.team_id, "model_id": row.model_id, "alias": row.alias}
    session.execute(delete(AliasTarget).filter_by(**of_alias), execution_options={"synchronize_session": False})
    if targets:
        rows = [{**of_alias, "version_id": version.id, "weight": weight} for version, weight in targets]
        session.execute(insert(AliasTarget.__table__), rows)  # type: ignore[arg-type]
    number = main.number if main else None
    audit.record(
        session,
        move.actor,
        "model.promoted" if action == Action.PROMOTE else f"model.{action}",
        object_type="model",
        object_id=show("model", model.id),
        before={"alias": row.alias, "version_id": show("mver", was)} if was else None,
        after={
            "alias": row.alias, "version_id": main and show("mver", main.id), "version": number, "reason": move.reason,
            "targets": shown_targets(targets), "revision": row.revision,
        },
    )  # fmt: skip
    event = _EVENTS.get(action, webhooks.EventType.MODEL_PROMOTED)
    told = {"name": model.name, "alias": row.alias, "version": number, "revision": row.revision}
    webhooks.publish(session, model.team_id, event, row.moved_at, id=show("model", model.id), **told)


def shown_targets(targets: Targets) -> list[dict[str, Any]]:
    """Targets as the history keeps them."""
    return [{"version": one.number, "weight": weight, "model": one.provider_model_id} for one, weight in targets]


def _record(session: Session, place: Place, targets: Targets, action: Action, move: Move) -> None:
    """The alias' next revision, and its row of history. Its instants never run backwards, whoever's clock it was."""
    model, row = place.model, place.row
    row.moved_at = max(move.at, row.moved_at) if row.revision else move.at
    row.moved_by, row.reason = move.actor.name, move.reason
    row.revision += 1
    session.add(row)
    session.flush()
    session.add(
        AliasMove(
            team_id=model.team_id, model_id=model.id, alias=row.alias, revision=row.revision, at=row.moved_at,
            by=move.actor.name, action=action, targets=shown_targets(targets), reason=move.reason,
            evidence=move.evidence,
        )
    )  # fmt: skip
    session.flush()
