"""Roles, ticks and idempotency keys. The first migration: nothing runs yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, work_columns

revision: str = "ground"
down_revision: str | None = None


def upgrade() -> None:
    """Make the roles first: everything after is granted to them."""
    tenancy.create_roles()
    op.create_table(
        "ticks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("every_seconds", sa.Float(), nullable=False),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_ticks"),
        sa.UniqueConstraint("name", name="uq_ticks_name"),
    )
    tenancy.protect_shared("ticks", {"tp_worker": "SELECT, UPDATE", "tp_operator": "SELECT, INSERT, UPDATE, DELETE"})
    op.create_table(
        "idempotency_keys",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSON(), nullable=True),
        created_at(),
        sa.PrimaryKeyConstraint("team_id", "key", name="pk_idempotency_keys"),
    )
    tenancy.protect(
        "idempotency_keys",
        {"tp_team": "SELECT, INSERT, UPDATE", "tp_operator": "SELECT, DELETE"},
        across_teams=["tp_operator"],
    )
