"""Preparations: files examined for what would make examples of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, work_columns

revision: str = "preparations"
down_revision: str | None = "dataset_ranges"

_WORK = "id, team_id, state, due_at, lease_until, hinted_at, fence, attempts, attention, attention_since"


def upgrade() -> None:
    """A worker claims across teams, and reads and records as the row's own.

    A system message has a column of its own beside a wish and a recipe, which hold its hash: what is unique is indexed,
    and Postgres indexes nothing longer than 2.7 kB.
    """
    op.add_column("datasets", sa.Column("system", sa.Text(), nullable=True))
    op.create_table(
        "preparations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("wish", postgresql.JSONB(), nullable=False),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(64), nullable=False),
        created_at(),
        sa.Column("findings", postgresql.JSONB(), nullable=True),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("read_lines", sa.BigInteger(), nullable=False, server_default="0"),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_preparations"),
        sa.UniqueConstraint("team_id", "dataset_id", "wish", name="uq_preparations_team_id_dataset_id_wish"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_preparations_team_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"], name="fk_preparations_team_id_dataset_id"
        ),
    )
    op.create_index(
        "ix_preparations_due_at", "preparations", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    tenancy.protect(
        "preparations",
        {"tp_team": "SELECT, INSERT, UPDATE", "tp_worker": f"SELECT ({_WORK}), UPDATE ({tenancy.CLAIMED})"},
        across_teams=["tp_worker"],
    )
