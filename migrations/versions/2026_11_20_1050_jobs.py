"""Jobs, their events and metrics, and the files they put at the provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, instant, money, work_columns

revision: str = "jobs"
down_revision: str | None = "registry"

# What finding due jobs takes, and telling whose a job at the provider is.
_CLAIMABLE = "id, team_id, state, connection_id, provider_job_id, provider_file_id, seed, intent_at"
_METRICS = (
    "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy",
    "full_valid_loss", "full_valid_mean_token_accuracy",
)  # fmt: skip


def upgrade() -> None:
    """A worker claims jobs of all teams but may change only the columns of the work engine; the rest is the team's."""
    _jobs()
    _events_and_metrics()
    _provider_files()


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        created_at(),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("base_model", sa.String(128), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("validation_dataset_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=True),
        sa.Column("batch_size", sa.Integer(), nullable=True),
        sa.Column("learning_rate_multiplier", sa.Numeric(), nullable=True),
        sa.Column("suffix", sa.String(64), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("register_name", sa.String(63), nullable=True),
        sa.Column("billed_tokens", sa.BigInteger(), nullable=False),
        sa.Column("epochs_priced", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        money("reserved"),
        sa.Column("submit_key", sa.String(40), nullable=False),
        instant("intent_at"),
        instant("searched_at"),
        sa.Column("searches", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("provider_file_id", sa.String(128), nullable=True),
        sa.Column("provider_validation_file_id", sa.String(128), nullable=True),
        sa.Column("provider_job_id", sa.String(128), nullable=True),
        sa.Column("provider_status", sa.String(64), nullable=True),
        sa.Column("fine_tuned_model", sa.String(256), nullable=True),
        sa.Column("trained_tokens", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.String(128), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        instant("estimated_finish"),
        money("cost", nullable=True),
        sa.Column("events_count", sa.Integer(), nullable=False, server_default="0"),
        instant("cancel_requested_at"),
        instant("submitted_at"),
        instant("started_at"),
        instant("finished_at"),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("team_id", "id", name="uq_jobs_team_id_id"),
        sa.UniqueConstraint("connection_id", "provider_job_id", name="uq_jobs_connection_id_provider_job_id"),
        sa.UniqueConstraint("submit_key", name="uq_jobs_submit_key"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_jobs_team_id"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_jobs_connection_id"),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name="fk_jobs_price_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"], name="fk_jobs_team_id_dataset_id"
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "validation_dataset_id"],
            ["datasets.team_id", "datasets.id"],
            name="fk_jobs_team_id_validation_dataset_id",
        ),
    )
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    tenancy.protect(
        "jobs",
        {
            "tp_team": "SELECT, INSERT, UPDATE",
            "tp_worker": f"SELECT ({_CLAIMABLE}, {tenancy.CLAIMED}), UPDATE ({tenancy.CLAIMED})",
            "tp_operator": "SELECT",
        },
        across_teams=["tp_worker", "tp_operator"],
    )


def _events_and_metrics() -> None:
    op.create_table(
        "job_events",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "job_id", "seq", name="pk_job_events"),
        sa.UniqueConstraint("team_id", "job_id", "fingerprint", name="uq_job_events_team_id_job_id_fingerprint"),
        sa.CheckConstraint("seq > 0", name="ck_job_events_seq"),
        sa.ForeignKeyConstraint(
            ["team_id", "job_id"], ["jobs.team_id", "jobs.id"], name="fk_job_events_team_id_job_id"
        ),
    )
    op.create_table(
        "job_metrics",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total_steps", sa.Integer(), nullable=True),
        *[sa.Column(name, sa.Float(), nullable=True) for name in _METRICS],
        sa.PrimaryKeyConstraint("team_id", "job_id", "step", name="pk_job_metrics"),
        sa.ForeignKeyConstraint(
            ["team_id", "job_id"], ["jobs.team_id", "jobs.id"], name="fk_job_metrics_team_id_job_id"
        ),
    )
    for table in ("job_events", "job_metrics"):
        tenancy.protect(table, {"tp_team": "SELECT, INSERT", "tp_operator": "SELECT"}, across_teams=["tp_operator"])
        tenancy.append_only(table)


def _provider_files() -> None:
    op.create_table(
        "provider_files",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("provider_file_id", sa.String(128), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("team_id", "connection_id", "dataset_id", name="pk_provider_files"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_provider_files_connection_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"],
            ["datasets.team_id", "datasets.id"],
            name="fk_provider_files_team_id_dataset_id",
        ),
    )
    tenancy.protect(
        "provider_files", {"tp_team": "SELECT, INSERT", "tp_operator": "SELECT"}, across_teams=["tp_operator"]
    )
