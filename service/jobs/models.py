"""Tables of jobs: the job itself, its events and metrics, and the files it put at the provider."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.rules import TO_FOLLOW, TO_SUBMIT, State
from service.kit import money
from service.kit.db import Base
from service.kit.work import Kind, Work


class Job(Work, Base):
    """One fine-tuning job, from the request to its end.

    What was decided at the request (model, price, epochs) is frozen here.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("connection_id", "provider_job_id"),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        ForeignKeyConstraint(["team_id", "validation_dataset_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_jobs_due_at", "due_at", postgresql_where="due_at IS NOT NULL"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    # What was asked.
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    provider: Mapped[str] = mapped_column(String(32))
    base_model: Mapped[str] = mapped_column(String(128))
    dataset_id: Mapped[UUID]
    validation_dataset_id: Mapped[UUID | None]
    method: Mapped[str] = mapped_column(String(16))
    epochs: Mapped[int | None]  # null: the provider chooses, up to `epochs_priced`
    batch_size: Mapped[int | None]
    learning_rate_multiplier: Mapped[Decimal | None]
    suffix: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[int]
    labels: Mapped[dict[str, str]] = mapped_column("metadata", JSONB)  # `metadata` is SQLAlchemy's own word
    register_name: Mapped[str | None] = mapped_column(String(63))

    # What it may cost: frozen when the money was reserved.
    billed_tokens: Mapped[int] = mapped_column(BigInteger)  # of one epoch
    epochs_priced: Mapped[int]
    price_id: Mapped[UUID] = mapped_column(ForeignKey("prices.id"))
    reserved: Mapped[Decimal] = mapped_column(money.column())

    # Submission (docs/protocol.md).
    submit_key: Mapped[str] = mapped_column(String(40), unique=True)
    intent_at: Mapped[datetime | None]
    searched_at: Mapped[datetime | None]
    searches: Mapped[int] = mapped_column(default=0, server_default="0")

    # What the provider says.
    provider_file_id: Mapped[str | None] = mapped_column(String(128))
    provider_validation_file_id: Mapped[str | None] = mapped_column(String(128))
    provider_job_id: Mapped[str | None] = mapped_column(String(128))
    provider_status: Mapped[str | None] = mapped_column(String(64))
    fine_tuned_model: Mapped[str | None] = mapped_column(String(256))
    trained_tokens: Mapped[int | None] = mapped_column(BigInteger)
    error_code: Mapped[str | None] = mapped_column(String(128))
    error_message: Mapped[str | None]
    estimated_finish: Mapped[datetime | None]

    # How it went.
    cost: Mapped[Decimal | None] = mapped_column(money.column())
    events_count: Mapped[int] = mapped_column(default=0, server_default="0")
    cancel_requested_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobEvent(Base):
    """One line of a job's history, numbered without gaps: the provider's events verbatim, and our own state changes."""

    __tablename__ = "job_events"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "job_id"], ["jobs.team_id", "jobs.id"]),
        UniqueConstraint("team_id", "job_id", "fingerprint"),
        CheckConstraint("seq > 0", name="seq"),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(16))  # provider | tuneplane
    level: Mapped[str] = mapped_column(String(16))
    type: Mapped[str] = mapped_column(String(32))
    message: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    fingerprint: Mapped[str | None]  # tells one of the provider's events from another, whatever id it came with


class JobMetric(Base):
    """What training looked like at one step. A column is null where the provider did not report it for that step."""

    __tablename__ = "job_metrics"
    __table_args__ = (ForeignKeyConstraint(["team_id", "job_id"], ["jobs.team_id", "jobs.id"]),)
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    total_steps: Mapped[int | None]
    train_loss: Mapped[float | None]
    train_mean_token_accuracy: Mapped[float | None]
    valid_loss: Mapped[float | None]
    valid_mean_token_accuracy: Mapped[float | None]
    full_valid_loss: Mapped[float | None]
    full_valid_mean_token_accuracy: Mapped[float | None]


class ProviderFile(Base):
    """A dataset's copy at a provider account: uploaded once, used by every job of the team there."""

    __tablename__ = "provider_files"
    __table_args__ = (ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),)
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    dataset_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_file_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


SUBMIT: Final = Kind("jobs.submit", Job, frozenset(TO_SUBMIT), queue="jobs", batch=10)
# A cancelling job is followed too: either the provider has it, or that has to be found out first.
FOLLOW: Final = Kind("jobs.follow", Job, frozenset(TO_FOLLOW | {State.CANCELLING}), queue="following", batch=200)
