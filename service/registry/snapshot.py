"""What resolvers hold in memory: all of it once, and from then on what has been touched since."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, and_, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from service import tenants
from service.registry.models import Alias, Model, ModelVersion

_NAMED_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an alias means, and since when."""

    team_id: UUID
    model_id: UUID
    name: str
    alias: str
    model: str
    base_model: str
    version: int
    job_id: UUID | None
    activated_at: datetime
    shutdown_date: date | None
    previous_model: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All it takes to resolve any alias for any key without a database."""

    keys: Mapping[str, tenants.KeyRecord]
    resolutions: Sequence[Resolution]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a transaction has seen: every transaction before `horizon` is over. And which keys there were."""

    horizon: int
    keys: tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Changes:
    """What may be new since a mark: whole models with all their aliases, and the keys where those are others."""

    models: Collection[tuple[UUID, UUID]]  # team and model; one that is not in `resolutions` serves nothing
    resolutions: Sequence[Resolution]
    keys: Mapping[str, tenants.KeyRecord] | None


def mark(session_as_resolver: Session) -> Mark:
    """How far this transaction sees; it must be one of a single snapshot (`read_only`)."""
    seen = session_as_resolver.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
    return Mark(seen.scalar_one(), tenants.fingerprint_of_keys(session_as_resolver))


def load_snapshot(session_as_resolver: Session) -> Snapshot:
    """Everything, in two statements."""
    return Snapshot(_keys(session_as_resolver), _resolutions(session_as_resolver, _all()))


def load_changes(session_as_resolver: Session, since: Mark, now: Mark) -> Changes:
    """What transactions have done that were not over at `since`: some of it may have been seen then.

    A model's `touched` is the transaction that last changed anything about it, and a later one waits for its row, so
    what was not visible at `since` was touched by a transaction at or after that horizon.
    """
    touched = Model.touched >= since.horizon
    models = session_as_resolver.execute(select(Model.team_id, Model.id).where(touched)).all()
    # Named one by one, few are found by their keys whatever Postgres believes of `touched`: it lags behind the newest.
    named = tuple_(Alias.team_id, Alias.model_id).in_(models) if len(models) <= _NAMED_MAX else touched
    return Changes(
        models=models,
        resolutions=_resolutions(session_as_resolver, _all().where(named)) if models else [],
        keys=_keys(session_as_resolver) if now.keys != since.keys else None,
    )


def _keys(session: Session) -> dict[str, tenants.KeyRecord]:
    return {record.key_id: record for record in tenants.keys_for_resolving(session)}


def _resolutions(session: Session, statement: Select) -> list[Resolution]:  # type: ignore[type-arg]
    return [Resolution(*row) for row in session.execute(statement)]


def _all() -> Select:  # type: ignore[type-arg]
    """The columns of a Resolution, in its order."""
    previous = aliased(ModelVersion)
    return (
        select(
            Alias.team_id,
            Alias.model_id,
            Model.name,
            Alias.alias,
            ModelVersion.provider_model_id,
            ModelVersion.base_model,
            ModelVersion.number,
            ModelVersion.job_id,
            Alias.moved_at,
            ModelVersion.shutdown_date,
            previous.provider_model_id,
        )
        .join(Model, and_(Model.team_id == Alias.team_id, Model.id == Alias.model_id))
        .join(ModelVersion, and_(ModelVersion.team_id == Alias.team_id, ModelVersion.id == Alias.version_id))
        .outerjoin(previous, and_(previous.team_id == Alias.team_id, previous.id == Alias.previous_version_id))
        .order_by(Alias.team_id, Model.name, Alias.alias)
    )
