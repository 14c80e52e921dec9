"""Tables of models, their versions, the aliases that point at them, and every move of those.

A trigger sets `models.touched` to the transaction's id whenever anything shown of a model changes: its own row, its
versions, aliases, targets or shares; and it notifies `resolve_changed` of `model:<id>`, the id as a plain UUID. So
`touched >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint` of the last look finds all that may be new since.
Teams read, besides their own, what others share with them or with the company.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base
from service.kit.work import Kind, Work
from service.registry.rules import Scheduled, State

_TO_MODEL: Final = (["team_id", "model_id"], ["models.team_id", "models.id"])
_VERSION: Final = ["model_versions.team_id", "model_versions.model_id", "model_versions.id"]


class Model(Base):
    """A name under which a team's tuned models are served, one after the other, and who may read it."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("team_id", "name"),
        CheckConstraint("visibility IN ('team', 'shared', 'company')", name="visibility"),
        Index("ix_models_touched", "touched"),
        Index("ix_models_visibility", "visibility", postgresql_where=text("visibility <> 'team'")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    owner: Mapped[str] = mapped_column(
        String(39), server_default=FetchedValue()
    )  # the team's slug, which never changes; by trigger
    visibility: Mapped[str] = mapped_column(String(8), server_default="team")
    notes: Mapped[str | None] = mapped_column(String(2000))
    fallback: Mapped[str | None] = mapped_column(String(255))  # a provider's model id; null: the version's base model
    touched: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text::bigint)"))


class ModelShare(Base):
    """A team that may read and resolve a model of another. It counts while the model's visibility is `shared`."""

    __tablename__ = "model_shares"
    __table_args__ = (ForeignKeyConstraint(*_TO_MODEL), Index("ix_model_shares_shared_with", "shared_with"))
    team_id: Mapped[UUID] = mapped_column(primary_key=True)  # the owner
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    shared_with: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(39))  # of `shared_with`


class ModelVersion(Work, Base):
    """One tuned model at the provider, where it came from, and whether it answers."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("team_id", "model_id", "id"),
        UniqueConstraint("team_id", "model_id", "number"),
        UniqueConstraint("team_id", "job_id", "provider_model_id"),
        ForeignKeyConstraint(*_TO_MODEL),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("source IN ('job', 'checkpoint', 'import')", name="source"),
        CheckConstraint("source = 'import' OR (job_id IS NOT NULL AND dataset_id IS NOT NULL)", name="lineage"),
        CheckConstraint("verdict IN ('passed', 'failed')", name="verdict"),
        CheckConstraint("state IN ('loading', 'ready', 'unavailable', 'retired')", name="state"),
        Index("ix_model_versions_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_model_versions_provider_model_id", "team_id", "provider_model_id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    model_id: Mapped[UUID]
    number: Mapped[int]
    source: Mapped[str] = mapped_column(String(10), server_default="job")
    provider_model_id: Mapped[str] = mapped_column(String(255))
    base_model: Mapped[str] = mapped_column(String(255))
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    job_id: Mapped[UUID | None]  # jobs lie above; the job's own transaction writes it here. Null: imported
    dataset_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ready_at: Mapped[datetime | None]
    probed_at: Mapped[datetime | None]  # when the provider last gave a definite answer
    unavailable_since: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    shutdown_date: Mapped[date | None]
    promote_to: Mapped[str | None] = mapped_column(String(63))  # an alias to move here once the model answers
    notes: Mapped[str | None] = mapped_column(String(2000))
    metrics: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    verdict: Mapped[str | None] = mapped_column(String(6))
    verdict_evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    verdict_at: Mapped[datetime | None]


class Alias(Base):
    """Which version a model's alias (`production`) mainly means now, and which it meant before.

    The row outlives the alias: without a `version_id` it was removed, and it keeps counting its moves.
    """

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(*_TO_MODEL),
        ForeignKeyConstraint(["team_id", "model_id", "version_id"], _VERSION),
        ForeignKeyConstraint(["team_id", "model_id", "previous_version_id"], _VERSION),
        CheckConstraint("protected_role IN ('admin', 'operator')", name="protected_role"),
        CheckConstraint("on_unavailable IN ('stay', 'move')", name="on_unavailable"),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(63), primary_key=True)
    version_id: Mapped[UUID | None]  # that of the largest target
    previous_version_id: Mapped[UUID | None]
    moved_at: Mapped[datetime]
    moved_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(500))
    revision: Mapped[int] = mapped_column(default=1, server_default="1")  # that of its last move
    protected_role: Mapped[str | None] = mapped_column(String(8))  # who may move it; null: whoever may write models
    required_verdict: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    on_unavailable: Mapped[str] = mapped_column(String(4), default="stay", server_default="stay")
    fallen_back: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """No version of it answers: what to call is the model's fallback, else the base model, until somebody moves it."""


class AliasTarget(Base):
    """A share of what an alias serves, in hundredths of a percent; those of one alias come to 10000."""

    __tablename__ = "alias_targets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id", "model_id", "alias"], ["aliases.team_id", "aliases.model_id", "aliases.alias"]
        ),
        ForeignKeyConstraint(["team_id", "model_id", "version_id"], _VERSION),
        CheckConstraint("weight BETWEEN 1 AND 10000", name="weight"),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(63), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    weight: Mapped[int]


class AliasMove(Base):
    """What an alias served from an instant on. Append-only: the last one at or before an instant says what served."""

    __tablename__ = "alias_moves"
    __table_args__ = (ForeignKeyConstraint(*_TO_MODEL),)
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(63), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(10))
    targets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # [{version, weight, model}], the largest first
    reason: Mapped[str | None] = mapped_column(String(500))
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class AliasSchedule(Work, Base):
    """A move somebody has asked for at an instant to come. A worker makes it, as if they had asked then."""

    __tablename__ = "alias_schedules"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        ForeignKeyConstraint(*_TO_MODEL),
        CheckConstraint("state IN ('waiting', 'done', 'failed', 'cancelled')", name="state"),
        Index("ix_alias_schedules_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_alias_schedules_team_id_model_id", "team_id", "model_id", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID]
    model_id: Mapped[UUID]
    alias: Mapped[str] = mapped_column(String(63))
    starts_at: Mapped[datetime]
    targets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # [{version, weight}]
    reason: Mapped[str] = mapped_column(String(500))
    by: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))  # theirs, for an alias that is protected
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(500))  # why it failed


PROBE: Final = Kind("registry.probe", ModelVersion, frozenset(set(State) - {State.RETIRED}), queue="registry")
MOVE: Final = Kind("registry.move", AliasSchedule, frozenset({Scheduled.WAITING}), queue="registry")
