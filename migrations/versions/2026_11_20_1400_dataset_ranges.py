"""Large datasets are read in ranges, and how far the reading has come is told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import instant, work_columns

revision: str = "dataset_ranges"
down_revision: str | None = "turns"

_WORK = "id, team_id, dataset_id, state, due_at, lease_until, hinted_at, fence, attempts, attention, attention_since"


def upgrade() -> None:
    """Columns are nullable or have a default: the previous release goes on writing rows without them."""
    for name in ("segments", "question", "marks", "problem_parts"):
        op.add_column("datasets", sa.Column(name, postgresql.JSONB(), nullable=True))
    op.add_column("datasets", sa.Column("sketch", sa.LargeBinary(), nullable=True))
    op.add_column("datasets", instant("read_since"))
    for column in _reading():
        op.add_column("datasets", column)
    op.create_table(
        "dataset_ranges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        *_reading(),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_ranges"),
        sa.UniqueConstraint("team_id", "dataset_id", "number", name="uq_dataset_ranges_team_id_dataset_id_number"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_dataset_ranges_team_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"], name="fk_dataset_ranges_team_id_dataset_id"
        ),
    )
    op.create_index(
        "ix_dataset_ranges_due_at", "dataset_ranges", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    tenancy.protect(
        "dataset_ranges",
        {
            "tp_team": "SELECT, INSERT, UPDATE, DELETE",
            "tp_worker": f"SELECT ({_WORK}), UPDATE ({tenancy.CLAIMED})",
        },
        across_teams=["tp_worker"],
    )


def _reading() -> list["sa.Column[object]"]:
    return [
        sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in ("read_bytes", "read_lines")
    ]
