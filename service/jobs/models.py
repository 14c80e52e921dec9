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
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.rules import TERMINAL, TO_FOLLOW, TO_PREPARE, TO_SUBMIT, State
from service.kit import money
from service.kit.db import Base
from service.kit.work import Kind, Work

PRESENT: Final = text("state = 'present'")  # of a file at the provider


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
        ForeignKeyConstraint(["team_id", "origin_id"], ["jobs.team_id", "jobs.id"]),
        Index("ix_jobs_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_jobs_metadata", "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}),
        Index(
            "ix_jobs_turns", "connection_id", "base_model", "team_id", "turn_at", "id",
            postgresql_where=text("state = 'queued' AND slot_at IS NULL"),
        ),
        Index(
            "ix_jobs_slots", "connection_id", "base_model", "team_id", postgresql_where=text("slot_at IS NOT NULL")
        ),
        Index(
            "ix_jobs_ended", "connection_id", "base_model", "finished_at",
            postgresql_where=text("finished_at IS NOT NULL AND submitted_at IS NOT NULL"),
        ),
    )  # fmt: skip
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
    register_alias: Mapped[str | None] = mapped_column(String(63))
    start_from: Mapped[str | None] = mapped_column(String(256))  # the tuned model that training goes on from
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")  # the method's others
    integrations: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    classify: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # evaluate as a classifier
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    origin: Mapped[str | None] = mapped_column(String(8))  # retry | clone, of `origin_id`
    origin_id: Mapped[UUID | None]
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")

    # What it may cost: frozen when the money is reserved; without a price as long as it is not.
    max_cost: Mapped[Decimal | None] = mapped_column(money.column())
    billed_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # of one epoch
    epochs_priced: Mapped[int] = mapped_column(default=0, server_default="0")
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id"))
    reserved: Mapped[Decimal] = mapped_column(money.column(), default=money.ZERO, server_default="0")
    estimated_low: Mapped[Decimal | None] = mapped_column(money.column())
    estimated_expected: Mapped[Decimal | None] = mapped_column(money.column())

    # Approval by a second person, where `approval_above` is set: the team's limit at that moment.
    approval_above: Mapped[Decimal | None] = mapped_column(money.column())
    approval_expires_at: Mapped[datetime | None]
    approval_decision: Mapped[str | None] = mapped_column(String(16))  # approved | declined | expired
    approval_by: Mapped[str | None] = mapped_column(String(64))
    approval_at: Mapped[datetime | None]
    approval_note: Mapped[str | None] = mapped_column(String(500))

    # Its turn: queued with `slot_at` null it waits, `turn_at` orders it inside its team; a slot is held to the end.
    queued_at: Mapped[datetime | None]
    turn_at: Mapped[datetime | None]
    slot_at: Mapped[datetime | None]

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
    error_param: Mapped[str | None] = mapped_column(String(128))
    estimated_finish: Mapped[datetime | None]

    # How it went.
    cost: Mapped[Decimal | None] = mapped_column(money.column())
    trained_seconds: Mapped[int | None]  # of reinforcement learning, which is paid by the hour
    result_files: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default="[]")
    results_key: Mapped[str | None] = mapped_column(String(255))  # the provider's table of steps, in our storage
    collected_at: Mapped[datetime | None]
    events_count: Mapped[int] = mapped_column(default=0, server_default="0")
    events_asked_at: Mapped[datetime | None]  # when the provider was last asked for them
    watched_until: Mapped[datetime | None]  # somebody looks on, so workers look sooner
    wish: Mapped[str | None] = mapped_column(String(8))  # pause | resume, to be passed on
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
    train_mean_reward: Mapped[float | None]
    full_valid_mean_reward: Mapped[float | None]
    full_valid_mean_parse_error: Mapped[float | None]
    mean_unresponsive_rewards: Mapped[float | None]
    reasoning_tokens_mean: Mapped[float | None]
    train_preference_accuracy: Mapped[float | None]
    valid_preference_accuracy: Mapped[float | None]
    others: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")


class JobCheckpoint(Base):
    """A model as it was at one step, which can be used like the final one."""

    __tablename__ = "job_checkpoints"
    __table_args__ = (ForeignKeyConstraint(["team_id", "job_id"], ["jobs.team_id", "jobs.id"]),)
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[str] = mapped_column(String(128))
    model: Mapped[str] = mapped_column(String(256))
    metrics: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime]


class TeamTurn(Base):
    """How far a team has come with its turns in one lane (service/jobs/fairness.py)."""

    __tablename__ = "team_turns"
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    base_model: Mapped[str] = mapped_column(String(128), primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    mark: Mapped[float]


class ProviderFile(Work, Base):
    """A dataset's copy at a provider account: uploaded once, used by every job of the team there.

    Once removed it is remembered: the next upload is another copy.
    """

    __tablename__ = "provider_files"
    __table_args__ = (
        Index(
            "uq_provider_files_present", "team_id", "connection_id", "dataset_id", unique=True, postgresql_where=PRESENT
        ),
        Index("ix_provider_files_dataset_id", "team_id", "dataset_id"),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_provider_files_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    state: Mapped[str] = mapped_column(String(32), server_default="present")  # present | removed
    team_id: Mapped[UUID]
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    dataset_id: Mapped[UUID]
    provider_file_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]


class StrayJob(Base):
    """A job the janitor met at the provider that was not where it should be, and what became of it."""

    __tablename__ = "stray_jobs"
    __table_args__ = (CheckConstraint("kind IN ('adopted', 'duplicate', 'unknown')", name="kind"),)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    provider_job_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[UUID | None]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


PREPARE: Final = Kind("jobs.prepare", Job, frozenset(TO_PREPARE), queue="jobs", batch=20)
SUBMIT: Final = Kind("jobs.submit", Job, frozenset(TO_SUBMIT), queue="jobs", batch=10)
# A cancelling job is followed too: either the provider has it, or that has to be found out first.
FOLLOW: Final = Kind("jobs.follow", Job, frozenset(TO_FOLLOW | {State.CANCELLING}), queue="following", batch=200)
# What came out of a job is fetched once it has ended; its state is never touched again.
COLLECT: Final = Kind("jobs.collect", Job, frozenset(TERMINAL), queue="following", batch=10)
# A copy at the provider falls due when nobody has used it for long enough.
EXPIRE: Final = Kind("jobs.expire_files", ProviderFile, frozenset({"present"}), queue="following", batch=20)
