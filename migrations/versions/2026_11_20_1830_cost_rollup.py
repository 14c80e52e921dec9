"""Sums of the ledger by day and by month, and up to which entry they reach.

A running previous release knows neither and adds up the ledger as before.
"""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import instant

revision: str = "cost_rollup"
down_revision: str | None = "admin_keys"

_KEYS = ("team_slug", "cost_center", "product", "environment", "provider", "base_model", "meter")
_LENGTHS = {"team_slug": 39, "provider": 32, "meter": 32}
_MEASURES = ("estimated", "accrued", "settled", "adjusted")


def upgrade() -> None:
    """Nothing is in them yet: a tick adds up what there is."""
    _sums("cost_days", "day")
    _sums("cost_months", "month")
    op.create_table(
        "cost_rollup",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        instant("folded_at"),
        sa.PrimaryKeyConstraint("id", name="pk_cost_rollup"),
        sa.CheckConstraint("id = 1", name="ck_cost_rollup_id"),
    )
    op.execute("INSERT INTO cost_rollup (id, through_seq) VALUES (1, 0)")
    tenancy.protect_shared(
        "cost_rollup",
        {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, UPDATE (through_seq, folded_at)"},
    )
    op.create_index(  # entries are written in the order of their recording: a block range says where a moment lies
        "ix_ledger_entries_recorded_at", "ledger_entries", ["recorded_at"], postgresql_using="brin"
    )


def _sums(table: str, grain: str) -> None:
    op.create_table(
        table,
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column(grain, sa.Date(), nullable=False),
        *(
            sa.Column(key, sa.String(_LENGTHS.get(key, 100)), nullable=key not in ("provider", "meter"))
            for key in _KEYS
        ),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        *(sa.Column(measure, sa.Numeric(28, 10), nullable=False) for measure in _MEASURES),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=f"fk_{table}_team_id"),
        sa.UniqueConstraint("team_id", grain, *_KEYS, name=f"uq_{table}_key", postgresql_nulls_not_distinct=True),
    )
    tenancy.protect(
        table,
        {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE, DELETE"},
        across_teams=("tp_finance", "tp_operator"),
    )
