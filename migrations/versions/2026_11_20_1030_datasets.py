"""Datasets. A table of its own that the previous release does not know."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, instant, work_columns

revision: str = "datasets"
down_revision: str | None = "money"

_WORK = "id, team_id, state, due_at, lease_until, hinted_at, fence, attempts, attention, attention_since"
_LEASE = "due_at, lease_until, hinted_at, fence, attempts, attention, attention_since"


def upgrade() -> None:
    """A worker sees of other people's datasets only what claiming needs; it reads and records as the row's team."""
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", sa.String(255), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        created_at(),
        instant("validated_at"),
        sa.Column("format", sa.String(32), nullable=True),
        sa.Column("examples", sa.Integer(), nullable=True),
        sa.Column("errors", sa.Integer(), nullable=True),
        sa.Column("warnings", sa.Integer(), nullable=True),
        sa.Column("billing", postgresql.JSONB(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("team_id", "id", name="uq_datasets_team_id_id"),
        sa.UniqueConstraint("team_id", "sha256", name="uq_datasets_team_id_sha256"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_datasets_team_id"),
        sa.CheckConstraint("bytes > 0", name="ck_datasets_bytes"),
    )
    op.create_index("ix_datasets_due_at", "datasets", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    tenancy.protect(
        "datasets",
        {"tp_team": "SELECT, INSERT, UPDATE", "tp_worker": f"SELECT ({_WORK}), UPDATE ({_LEASE})"},
        across_teams=["tp_worker"],
    )
