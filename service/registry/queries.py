"""Reads of the registry. Row-level security shows a team its own models only; the filters here say the same."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session, aliased

from service.kit.errors import NotFound
from service.kit.ids import show
from service.registry.errors import ModelNotFound, NothingServed, VersionNotFound
from service.registry.models import Alias, AliasTarget, Model, ModelShare, ModelVersion
from service.registry.schemas import AliasView, ModelView, TargetView, VersionView


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What registering returns."""

    id: UUID
    model_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A tuned model as something to train on: the provider's id, what it was made of, and the account that has it."""

    model: str
    base_model: str
    connection_id: UUID


def find_version(session: Session, team_id: UUID, version_id: UUID) -> VersionView:
    """A version that exists."""
    wanted = select(ModelVersion).where(ModelVersion.team_id == team_id, ModelVersion.id == version_id)
    return _version_view(session.scalars(wanted).one())


def numbered_version(session: Session, team_id: UUID, name: str, number: int) -> VersionView:
    """The version of that number. Raises ModelNotFound and VersionNotFound."""
    model_id = session.scalar(select(Model.id).where(Model.team_id == team_id, Model.name == name))
    if model_id is None:
        raise ModelNotFound(name=name)
    row = version_row(session, team_id, model_id, number)
    if row is None:
        raise VersionNotFound(name=name, version=number)
    return _version_view(row)


def tuned_model(session: Session, team_id: UUID, name: str, which: str | int, *, pointer: str) -> TunedModel:
    """What an alias, or a version's number, of the team's model means.

    Raises ModelNotFound, VersionNotFound or NothingServed, blaming `pointer`.
    """
    model_id = session.scalar(select(Model.id).where(Model.team_id == team_id, Model.name == name))
    if model_id is None:
        raise ModelNotFound(name=name, pointer=pointer)
    found = _tuned().where(ModelVersion.team_id == team_id, ModelVersion.model_id == model_id)
    if isinstance(which, int):
        row = session.execute(found.where(ModelVersion.number == which)).one_or_none()
        missing: NotFound = VersionNotFound(name=name, version=which, pointer=pointer)
    else:
        meant = and_(Alias.team_id == ModelVersion.team_id, Alias.version_id == ModelVersion.id, Alias.alias == which)
        row = session.execute(found.join(Alias, meant)).one_or_none()
        missing = NothingServed(name=name, alias=which, pointer=pointer)
    if row is None:
        raise missing
    return TunedModel(*row)


def tuned_by_id(session: Session, team_id: UUID, provider_model_id: str) -> TunedModel | None:
    """The team's version of that provider's id, if there is one."""
    found = _tuned().where(ModelVersion.team_id == team_id, ModelVersion.provider_model_id == provider_model_id)
    row = session.execute(found.limit(1)).one_or_none()
    return row and TunedModel(*row)


def _tuned() -> Select[str, str, UUID]:
    return select(ModelVersion.provider_model_id, ModelVersion.base_model, ModelVersion.connection_id)


def versions_of_jobs(session: Session, team_id: UUID, job_ids: Collection[UUID]) -> list[tuple[str, VersionView]]:
    """Every version that one of the team's jobs made, oldest first, with its model's name."""
    rows = session.execute(
        select(Model.name, ModelVersion)
        .join(Model, and_(Model.team_id == ModelVersion.team_id, Model.id == ModelVersion.model_id))
        .where(ModelVersion.team_id == team_id, ModelVersion.job_id.in_(job_ids))
        .order_by(ModelVersion.id)
    )
    return [(name, _version_view(version)) for name, version in rows]


def alias_view(session: Session, team_id: UUID, model_id: UUID, alias: str) -> AliasView:
    """What an alias that exists serves."""
    return next(view for _, view in _aliases(session, team_id, [model_id]) if view.alias == alias)


def find_alias(session: Session, team_id: UUID, name: str, alias: str) -> AliasView:
    """What the alias of the team's model serves. Raises ModelNotFound and NothingServed."""
    model_id = session.scalar(select(Model.id).where(Model.team_id == team_id, Model.name == name))
    if model_id is None:
        raise ModelNotFound(name=name)
    found = [view for _, view in _aliases(session, team_id, [model_id]) if view.alias == alias]
    if not found:
        raise NothingServed(name=name, alias=alias)
    return found[0]


def targets_of(session: Session, row: Alias) -> list[tuple[ModelVersion, int]]:
    """What an alias serves, the largest share first."""
    found = session.execute(
        select(ModelVersion, AliasTarget.weight)
        .join(AliasTarget, _targeted())
        .where(AliasTarget.team_id == row.team_id, AliasTarget.model_id == row.model_id, AliasTarget.alias == row.alias)
        .order_by(AliasTarget.weight.desc(), ModelVersion.number)
    )
    return [(version, weight) for version, weight in found]


def version_row(session: Session, team_id: UUID, model_id: UUID, number: int) -> ModelVersion | None:
    """The model's version of that number."""
    return session.scalars(
        select(ModelVersion).where(
            ModelVersion.team_id == team_id, ModelVersion.model_id == model_id, ModelVersion.number == number
        )
    ).one_or_none()


def number_of(session: Session, model: Model, version_id: UUID | None) -> int | None:
    """The number of a version of the model, if there is one."""
    known = session.get(ModelVersion, version_id) if version_id else None
    return known.number if known and known.model_id == model.id else None


def id_of_number(session: Session, model: Model, number: int | None) -> UUID | None:
    """The other way round."""
    known = version_row(session, model.team_id, model.id, number) if number is not None else None
    return known.id if known else None


def views(session: Session, team_id: UUID, rows: Sequence[Model]) -> list[ModelView]:
    """Models of one team, as shown."""
    ids = [row.id for row in rows]
    versions = session.scalars(
        select(ModelVersion)
        .where(ModelVersion.team_id == team_id, ModelVersion.model_id.in_(ids))
        .order_by(ModelVersion.number.desc())
    ).all()
    aliases = _aliases(session, team_id, ids)
    shares = session.execute(
        select(ModelShare.model_id, ModelShare.slug)
        .where(ModelShare.team_id == team_id, ModelShare.model_id.in_(ids))
        .order_by(ModelShare.slug)
    ).all()
    return [
        ModelView(
            id=show("model", row.id),
            name=row.name,
            owner=row.owner,
            visibility=row.visibility,
            shared_with=[slug for model_id, slug in shares if model_id == row.id],
            notes=row.notes,
            fallback=row.fallback,
            created_at=row.created_at,
            versions=[_version_view(version) for version in versions if version.model_id == row.id],
            aliases=[view for model_id, view in aliases if model_id == row.id],
        )
        for row in rows
    ]


def _version_view(row: ModelVersion) -> VersionView:
    return VersionView(
        id=show("mver", row.id),
        number=row.number,
        model=row.provider_model_id,
        base_model=row.base_model,
        job=row.job_id and show("job", row.job_id),
        dataset=row.dataset_id and show("dset", row.dataset_id),
        source=row.source,
        state=row.state,
        attention=row.attention,
        created_at=row.created_at,
        ready_at=row.ready_at,
        probed_at=row.probed_at,
        unavailable_since=row.unavailable_since,
        retired_at=row.retired_at,
        notes=row.notes,
        metrics=row.metrics,
        verdict=row.verdict,
        verdict_evidence=row.verdict_evidence,
        verdict_at=row.verdict_at,
        shutdown_date=row.shutdown_date,
    )


def _aliases(session: Session, team_id: UUID, model_ids: Sequence[UUID]) -> list[tuple[UUID, AliasView]]:
    """Those that serve anything, each with its model's id."""
    previous = aliased(ModelVersion)
    rows = session.execute(
        select(Alias, ModelVersion.number, previous.number.label("previous_number"))
        .join(ModelVersion, and_(ModelVersion.team_id == Alias.team_id, ModelVersion.id == Alias.version_id))
        .outerjoin(previous, and_(previous.team_id == Alias.team_id, previous.id == Alias.previous_version_id))
        .where(Alias.team_id == team_id, Alias.model_id.in_(model_ids))
        .order_by(Alias.alias)
    ).all()
    targets = session.execute(
        select(AliasTarget.model_id, AliasTarget.alias, AliasTarget.weight, ModelVersion)
        .join(ModelVersion, _targeted())
        .where(AliasTarget.team_id == team_id, AliasTarget.model_id.in_(model_ids))
        .order_by(AliasTarget.weight.desc(), ModelVersion.number)
    )
    serving: dict[tuple[UUID, str], list[TargetView]] = {}
    for model_id, alias, weight, version in targets:
        view = TargetView(version=version.number, weight=weight, model=version.provider_model_id)
        serving.setdefault((model_id, alias), []).append(view)
    return [
        (row.model_id, _alias_view(row, number, previous_number, serving.get((row.model_id, row.alias), [])))
        for row, number, previous_number in rows
    ]


def _alias_view(row: Alias, number: int, previous: int | None, targets: list[TargetView]) -> AliasView:
    return AliasView(
        alias=row.alias,
        version=number,
        targets=targets,
        previous_version=previous,
        revision=row.revision,
        moved_at=row.moved_at,
        moved_by=row.moved_by,
        reason=row.reason,
        protected_role=row.protected_role,
        required_verdict=row.required_verdict,
        on_unavailable=row.on_unavailable,
        fallen_back=row.fallen_back,
    )


def _targeted() -> Any:
    return and_(ModelVersion.team_id == AliasTarget.team_id, ModelVersion.id == AliasTarget.version_id)
