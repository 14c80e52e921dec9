"""The whole job: methods, approval, turns and slots, what came out of it, and its files at the provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import instant, money, work_columns

revision: str = "whole_jobs"
down_revision: str | None = "limits"

# What finding whose turn it is takes, beyond what a claim takes.
_TURNS = (
    "base_model, created_at, submitted_at, started_at, finished_at, priority, queued_at, turn_at, slot_at, submit_key"
)
_MEASURES = (
    "train_mean_reward", "full_valid_mean_reward", "full_valid_mean_parse_error", "mean_unresponsive_rewards",
    "reasoning_tokens_mean", "train_preference_accuracy", "valid_preference_accuracy",
)  # fmt: skip


def upgrade() -> None:
    """Columns are added with a default, so that the running version goes on writing."""
    _base_models()
    _asked()
    _decided()
    _turns()
    _following()
    _outcome()
    _checkpoints()
    _provider_files()
    _stray_jobs()
    _versions_of_checkpoints()
    _derived_datasets()


def _base_models() -> None:
    op.add_column("base_models", sa.Column("hyperparameters", postgresql.JSONB(), nullable=False, server_default="{}"))
    # An alias to move to a new version as soon as that answers.
    op.add_column("model_versions", sa.Column("promote_to", sa.String(63), nullable=True))


def _asked() -> None:
    op.add_column("jobs", sa.Column("start_from", sa.String(256), nullable=True))
    op.add_column("jobs", sa.Column("options", postgresql.JSONB(), nullable=False, server_default="{}"))
    op.add_column("jobs", sa.Column("integrations", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("jobs", sa.Column("warnings", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("jobs", sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("classify", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("jobs", sa.Column("register_alias", sa.String(63), nullable=True))
    op.add_column("jobs", sa.Column("origin", sa.String(8), nullable=True))
    op.add_column("jobs", sa.Column("origin_id", sa.Uuid(), nullable=True))
    op.create_foreign_key("fk_jobs_team_id_origin_id", "jobs", "jobs", ["team_id", "origin_id"], ["team_id", "id"])
    op.create_index(
        "ix_jobs_metadata", "jobs", ["metadata"], postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
    )  # fmt: skip


def _decided() -> None:
    op.add_column("jobs", money("max_cost", nullable=True))
    op.add_column("jobs", money("estimated_low", nullable=True))
    op.add_column("jobs", money("estimated_expected", nullable=True))
    op.alter_column("jobs", "price_id", nullable=True)
    op.alter_column("jobs", "billed_tokens", server_default="0")
    op.alter_column("jobs", "epochs_priced", server_default="0")
    op.alter_column("jobs", "reserved", server_default="0")
    op.add_column("jobs", instant("approval_expires_at"))
    op.add_column("jobs", sa.Column("approval_decision", sa.String(16), nullable=True))
    op.add_column("jobs", sa.Column("approval_by", sa.String(64), nullable=True))
    op.add_column("jobs", instant("approval_at"))
    op.add_column("jobs", sa.Column("approval_note", sa.String(500), nullable=True))
    op.add_column("jobs", sa.Column("wish", sa.String(8), nullable=True))
    # A job moved to another provider has another price.
    op.execute("GRANT UPDATE (amount) ON reservations TO tp_team")


def _turns() -> None:
    for name in ("queued_at", "turn_at", "slot_at"):
        op.add_column("jobs", instant(name))
    op.create_index(
        "ix_jobs_turns", "jobs", ["connection_id", "base_model", "team_id", "turn_at", "id"],
        postgresql_where=sa.text("state = 'queued' AND slot_at IS NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_jobs_slots", "jobs", ["connection_id", "base_model", "team_id"],
        postgresql_where=sa.text("slot_at IS NOT NULL"),
    )  # fmt: skip
    op.execute(f"GRANT SELECT ({_TURNS}), UPDATE (slot_at) ON jobs TO tp_worker")


def _following() -> None:
    op.add_column("jobs", instant("watched_until"))
    op.add_column("jobs", instant("events_asked_at"))
    # What an account's list is compared with, for jobs of all teams at once.
    op.execute("GRANT SELECT (provider_status, wish, watched_until, events_asked_at) ON jobs TO tp_worker")


def _outcome() -> None:
    op.add_column("jobs", sa.Column("error_param", sa.String(128), nullable=True))
    op.add_column("jobs", sa.Column("trained_seconds", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("result_files", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("jobs", sa.Column("results_key", sa.String(255), nullable=True))
    op.add_column("jobs", instant("collected_at"))
    for name in _MEASURES:
        op.add_column("job_metrics", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("job_metrics", sa.Column("others", postgresql.JSONB(), nullable=False, server_default="{}"))


def _checkpoints() -> None:
    op.create_table(
        "job_checkpoints",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(128), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("metrics", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "job_id", "step", name="pk_job_checkpoints"),
        sa.ForeignKeyConstraint(
            ["team_id", "job_id"], ["jobs.team_id", "jobs.id"], name="fk_job_checkpoints_team_id_job_id"
        ),
    )
    tenancy.protect(
        "job_checkpoints", {"tp_team": "SELECT, INSERT", "tp_operator": "SELECT"}, across_teams=["tp_operator"]
    )
    tenancy.append_only("job_checkpoints")


def _provider_files() -> None:
    op.add_column(
        "provider_files", sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"))
    )
    op.create_unique_constraint("uq_provider_files_id", "provider_files", ["id"])
    op.add_column(
        "provider_files",
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    for column in work_columns():
        if column.name == "state":
            column.server_default = sa.DefaultClause("present")
        op.add_column("provider_files", column)
    op.create_index(
        "ix_provider_files_due_at", "provider_files", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.execute("GRANT UPDATE, DELETE ON provider_files TO tp_team")
    claimable = f"id, team_id, connection_id, dataset_id, provider_file_id, state, {tenancy.CLAIMED}"
    op.execute(f"GRANT SELECT ({claimable}), UPDATE ({tenancy.CLAIMED}) ON provider_files TO tp_worker")
    op.execute("CREATE POLICY tp_worker ON provider_files TO tp_worker USING (true) WITH CHECK (true)")


def _stray_jobs() -> None:
    op.create_table(
        "stray_jobs",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("provider_job_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        instant("settled_at"),
        sa.PrimaryKeyConstraint("connection_id", "provider_job_id", name="pk_stray_jobs"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_stray_jobs_connection_id"),
        sa.CheckConstraint("kind IN ('adopted', 'duplicate', 'unknown')", name="ck_stray_jobs_kind"),
    )
    tenancy.protect_shared(
        "stray_jobs", {"tp_worker": "SELECT, INSERT, UPDATE (settled_at)", "tp_operator": "SELECT, UPDATE (settled_at)"}
    )


def _versions_of_checkpoints() -> None:
    """A job gives more models than one: the final one and its checkpoints."""
    op.drop_constraint("uq_model_versions_team_id_job_id", "model_versions")
    op.create_unique_constraint(
        "uq_model_versions_team_id_job_id_provider_model_id",
        "model_versions",
        ["team_id", "job_id", "provider_model_id"],
    )


def _derived_datasets() -> None:
    op.add_column("datasets", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.add_column("datasets", sa.Column("recipe", postgresql.JSONB(), nullable=True))
    op.create_foreign_key(
        "fk_datasets_team_id_parent_id", "datasets", "datasets", ["team_id", "parent_id"], ["team_id", "id"]
    )
    op.alter_column("datasets", "sha256", nullable=True)
    op.alter_column("datasets", "bytes", nullable=True)
    op.create_check_constraint(
        "ck_datasets_made", "datasets", "(sha256 IS NOT NULL AND bytes IS NOT NULL) OR recipe IS NOT NULL"
    )
    op.create_unique_constraint("uq_datasets_team_id_parent_id_recipe", "datasets", ["team_id", "parent_id", "recipe"])
    op.drop_constraint("uq_datasets_team_id_sha256", "datasets")
    op.create_index(
        "uq_datasets_team_id_sha256", "datasets", ["team_id", "sha256"], unique=True,
        postgresql_where=sa.text("recipe IS NULL"),
    )  # fmt: skip
