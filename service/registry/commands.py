"""Writes of the registry."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, costs, webhooks
from service.kit import work
from service.kit.identity import Actor, worker_for
from service.kit.ids import new_id, show
from service.registry import queries, rules
from service.registry.errors import ModelNotFound, ModelRegistered, VersionNotFound, VersionNotReady
from service.registry.models import Alias, Model, ModelVersion
from service.registry.queries import VersionFacts
from service.registry.rules import State
from service.registry.schemas import AliasView


def register(
    session: Session,
    actor: Actor,
    *,
    team_id: UUID,
    name: str,
    job_id: UUID,
    provider_model_id: str,
    base_model: str,
    connection_id: UUID,
    dataset_id: UUID,
    shutdown_date: date | None,
    promote_to: str | None = None,
) -> VersionFacts:
    """Add a model of a job as the next version under `name`, made if new; the same again gets the version it has.

    The version is `loading` and due: a worker asks the provider until it answers. Then the alias `promote_to` is moved.
    Raises ModelRegistered for a model that is a version under another name.
    """
    rules.check_name(name, pointer="#/register/name")
    model_id = _locked_model(session, team_id, name)
    known = session.scalars(
        select(ModelVersion).where(
            ModelVersion.team_id == team_id,
            ModelVersion.job_id == job_id,
            ModelVersion.provider_model_id == provider_model_id,
        )
    ).one_or_none()
    if known is not None:
        if known.model_id != model_id:
            raise ModelRegistered(model=provider_model_id, version=known.number)
        return VersionFacts(known.id, known.model_id, known.number)
    of_model = (ModelVersion.team_id == team_id, ModelVersion.model_id == model_id)
    number = 1 + (session.scalar(select(func.max(ModelVersion.number)).where(*of_model)) or 0)
    version = ModelVersion(
        id=new_id(),
        team_id=team_id,
        model_id=model_id,
        number=number,
        provider_model_id=provider_model_id,
        base_model=base_model,
        connection_id=connection_id,
        job_id=job_id,
        dataset_id=dataset_id,
        shutdown_date=shutdown_date,
        promote_to=promote_to,
        state=State.LOADING,
    )
    work.wake(version)
    session.add(version)
    session.flush()
    costs.own_model(
        session,
        team_id,
        provider_model_id,
        connection_id=connection_id,
        base_model=base_model,
        version_id=version.id,
    )
    audit.record(
        session,
        actor,
        "model.version_registered",
        object_type="model",
        object_id=show("model", model_id),
        after={"name": name, "version": number, "model": provider_model_id, "job": show("job", job_id)},
    )
    return VersionFacts(version.id, model_id, number)


def promote(
    session: Session, actor: Actor, name: str, alias: str, *, version: int, reason: str | None, at: datetime
) -> AliasView:
    """Let the team's `alias` mean this version from now on; to where it already points is no move and leaves no trace.

    Raises ModelNotFound, VersionNotFound and VersionNotReady.
    """
    rules.check_name(alias, pointer="alias")
    team_id = actor.team
    # Moves of one model's aliases come one after the other: each names what was there before it.
    model_id = session.scalar(
        select(Model.id).where(Model.team_id == team_id, Model.name == name).with_for_update(key_share=True)
    )
    if model_id is None:
        raise ModelNotFound(name=name)
    target = _version(session, team_id, model_id, version)
    if target is None:
        raise VersionNotFound(name=name, version=version, pointer="#/version")
    if target.state != State.READY:
        raise VersionNotReady(name=name, version=version, state=target.state, pointer="#/version")
    row = session.get(Alias, (team_id, model_id, alias))
    if row is None or row.version_id != target.id:
        before = {"alias": alias, "version_id": show("mver", row.version_id)} if row else None
        if row is None:
            row = Alias(team_id=team_id, model_id=model_id, alias=alias, previous_version_id=None)
            session.add(row)
        else:
            row.previous_version_id = row.version_id
        row.version_id, row.moved_at, row.moved_by, row.reason = target.id, at, actor.name, reason
        session.flush()
        audit.record(
            session,
            actor,
            "model.promoted",
            object_type="model",
            object_id=show("model", model_id),
            before=before,
            after={"alias": alias, "version_id": show("mver", target.id), "version": version, "reason": reason},
        )
        shown = show("model", model_id)
        webhooks.publish(
            session, team_id, webhooks.EventType.MODEL_PROMOTED, at, id=shown, name=name, alias=alias, version=version
        )
        session.execute(text("SELECT pg_notify('resolve_changed', '')"))
    return queries.alias_view(session, team_id, model_id, alias)


def keep_promise(session: Session, version: ModelVersion, at: datetime) -> None:
    """Move the alias that was asked for with the job, now that its model answers.

    Not back, though: where a later version is served by now, that one stays.
    """
    alias = version.promote_to
    if alias is None:
        return
    name = session.scalars(
        select(Model.name).where(Model.team_id == version.team_id, Model.id == version.model_id)
    ).one()
    served = session.scalar(
        select(ModelVersion.number)
        .join(Alias, and_(Alias.team_id == ModelVersion.team_id, Alias.version_id == ModelVersion.id))
        .where(Alias.team_id == version.team_id, Alias.model_id == version.model_id, Alias.alias == alias)
    )
    if served is None or served < version.number:
        session.flush()
        reason = f"asked for with {show('job', version.job_id)}"
        promote(session, worker_for(version.team_id), name, alias, version=version.number, reason=reason, at=at)


def _locked_model(session: Session, team_id: UUID, name: str) -> UUID:
    """The model of this name, made if new, and locked either way: its versions are numbered one at a time."""
    upsert = insert(Model).values(id=new_id(), team_id=team_id, name=name)
    statement = upsert.on_conflict_do_update(index_elements=["team_id", "name"], set_={"name": name})
    return session.execute(statement.returning(Model.id)).scalar_one()


def _version(session: Session, team_id: UUID, model_id: UUID, number: int) -> ModelVersion | None:
    return session.scalars(
        select(ModelVersion).where(
            ModelVersion.team_id == team_id, ModelVersion.model_id == model_id, ModelVersion.number == number
        )
    ).one_or_none()
