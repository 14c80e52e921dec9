"""Models, their versions and aliases. Tables of their own that the previous release does not know."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import created_at, instant, work_columns

revision: str = "registry"
down_revision: str | None = "datasets"

_PROBED = f"id, team_id, state, {tenancy.CLAIMED}"


def upgrade() -> None:
    """In the order of their foreign keys: a version names its model, an alias a version."""
    _models()
    _versions()
    _aliases()


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("team_id", "id", name="uq_models_team_id_id"),
        sa.UniqueConstraint("team_id", "name", name="uq_models_team_id_name"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_models_team_id"),
    )
    tenancy.protect(
        "models",
        {
            "tp_team": "SELECT, INSERT, UPDATE (name)",  # to lock a row takes the right to change one of its columns
            "tp_resolver": "SELECT",
            "tp_operator": "SELECT",
        },
        across_teams=["tp_resolver", "tp_operator"],
    )


def _versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_model_id", sa.String(255), nullable=False),
        sa.Column("base_model", sa.String(255), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        created_at(),
        instant("ready_at"),
        sa.Column("shutdown_date", sa.Date(), nullable=True),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("team_id", "id", name="uq_model_versions_team_id_id"),
        sa.UniqueConstraint("team_id", "model_id", "id", name="uq_model_versions_team_id_model_id_id"),
        sa.UniqueConstraint("team_id", "model_id", "number", name="uq_model_versions_team_id_model_id_number"),
        sa.UniqueConstraint("team_id", "job_id", name="uq_model_versions_team_id_job_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_model_versions_team_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id"], ["models.team_id", "models.id"], name="fk_model_versions_team_id_model_id"
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"], name="fk_model_versions_team_id_dataset_id"
        ),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_model_versions_connection_id"),
        sa.CheckConstraint("number > 0", name="ck_model_versions_number"),
    )
    op.create_index(
        "ix_model_versions_due_at", "model_versions", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    tenancy.protect(
        "model_versions",
        {
            "tp_team": "SELECT, INSERT, UPDATE",
            "tp_worker": f"SELECT ({_PROBED}), UPDATE ({tenancy.CLAIMED})",
            "tp_resolver": "SELECT (team_id, id, number, provider_model_id, base_model, job_id, shutdown_date)",
            "tp_operator": "SELECT",
        },
        across_teams=["tp_worker", "tp_resolver", "tp_operator"],
    )


def _aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("previous_version_id", sa.Uuid(), nullable=True),
        instant("moved_at", nullable=False),
        sa.Column("moved_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "model_id", "alias", name="pk_aliases"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id"], ["models.team_id", "models.id"], name="fk_aliases_team_id_model_id"
        ),
        *(
            sa.ForeignKeyConstraint(
                ["team_id", "model_id", column],
                ["model_versions.team_id", "model_versions.model_id", "model_versions.id"],
                name=f"fk_aliases_team_id_model_id_{column}",
            )
            for column in ("version_id", "previous_version_id")
        ),
    )
    tenancy.protect(
        "aliases",
        {"tp_team": "SELECT, INSERT, UPDATE", "tp_resolver": "SELECT", "tp_operator": "SELECT"},
        across_teams=["tp_resolver", "tp_operator"],
    )
