"""Tables of models, their versions and the aliases that point at them."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base
from service.kit.work import Kind, Work
from service.registry.rules import State


class Model(Base):
    """A name under which a team's tuned models are served, one after the other."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("team_id", "id"), UniqueConstraint("team_id", "name"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ModelVersion(Work, Base):
    """One tuned model at the provider, where it came from, and whether it answers yet."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("team_id", "model_id", "id"),
        UniqueConstraint("team_id", "model_id", "number"),
        UniqueConstraint("team_id", "job_id", "provider_model_id"),
        ForeignKeyConstraint(["team_id", "model_id"], ["models.team_id", "models.id"]),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        CheckConstraint("number > 0", name="number"),
        Index("ix_model_versions_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    model_id: Mapped[UUID]
    number: Mapped[int]
    provider_model_id: Mapped[str] = mapped_column(String(255))
    base_model: Mapped[str] = mapped_column(String(255))
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    job_id: Mapped[UUID]  # jobs lie above; the job's own transaction writes it here
    dataset_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ready_at: Mapped[datetime | None]
    shutdown_date: Mapped[date | None]
    promote_to: Mapped[str | None] = mapped_column(String(63))  # an alias to move here once the model answers


class Alias(Base):
    """Which version a model's alias (`production`) means now, and which it meant before."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "model_id"], ["models.team_id", "models.id"]),
        ForeignKeyConstraint(
            ["team_id", "model_id", "version_id"],
            ["model_versions.team_id", "model_versions.model_id", "model_versions.id"],
        ),
        ForeignKeyConstraint(
            ["team_id", "model_id", "previous_version_id"],
            ["model_versions.team_id", "model_versions.model_id", "model_versions.id"],
        ),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(63), primary_key=True)
    version_id: Mapped[UUID]
    previous_version_id: Mapped[UUID | None]
    moved_at: Mapped[datetime]
    moved_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(500))


PROBE: Final = Kind("registry.probe", ModelVersion, frozenset({State.LOADING}), queue="registry")
