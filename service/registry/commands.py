"""Writes of the registry."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, costs
from service.kit import work
from service.kit.identity import Actor, worker_for
from service.kit.ids import new_id, show
from service.registry import moving, rules
from service.registry.errors import AliasProtected, ModelRegistered, VerdictRequired
from service.registry.models import Alias, Model, ModelVersion
from service.registry.queries import VersionFacts
from service.registry.rules import State


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


def keep_promise(session: Session, version: ModelVersion, at: datetime) -> None:
    """Move the alias that was asked for with the job, now that its model answers.

    Not back, though: where a later version is served by now, that one stays. Nor where the alias is protected.
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
        reason = f"asked for with {show('job', version.job_id)}" if version.job_id else "asked for with its import"
        worker = worker_for(version.team_id)
        try:
            moving.promote(session, worker, name, alias, version=version.number, reason=reason, at=at)
        except (AliasProtected, VerdictRequired) as refused:  # a person of the role it takes must do it
            audit.record(
                session,
                worker,
                "model.promotion_refused",
                object_type="model",
                object_id=show("model", version.model_id),
                after={"alias": alias, "version": version.number, "why": refused.message},
            )


def lock_model(session: Session, team_id: UUID, model_id: UUID) -> None:
    """Lock a model that exists until the unit ends: what happens to its versions and aliases happens one by one."""
    session.execute(
        select(Model.id).where(Model.team_id == team_id, Model.id == model_id).with_for_update(key_share=True)
    )


def _locked_model(session: Session, team_id: UUID, name: str) -> UUID:
    """The model of this name, made if new, and locked either way: its versions are numbered one at a time."""
    upsert = insert(Model).values(id=new_id(), team_id=team_id, name=name)
    statement = upsert.on_conflict_do_update(index_elements=["team_id", "name"], set_={"name": name})
    return session.execute(statement.returning(Model.id)).scalar_one()
