"""What providers bill is kept and compared with the ledger, day by day; the platform has events of its own."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import instant, money

revision: str = "reconciliation"
down_revision: str | None = "archived_teams"


def upgrade() -> None:
    """Nothing is there to be compared yet."""
    _provider_costs()
    _reconciliations()
    _findings()
    op.alter_column("events", "team_id", nullable=True)
    op.execute("GRANT INSERT ON events TO tp_operator")


def _provider_costs() -> None:
    op.create_table(
        "provider_costs",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.Column("api_key", sa.String(128), nullable=False),
        sa.Column("line_item", sa.String(200), nullable=False),
        money("amount"),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("quantity", sa.Numeric(24, 10), nullable=True),
        sa.Column("quantity_unit", sa.String(128), nullable=True),
        instant("read_at", nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "day", "project", "api_key", "line_item", name="pk_provider_costs"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_provider_costs_connection_id"),
    )
    tenancy.protect_shared("provider_costs", {"tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, DELETE"})


def _reconciliations() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        money("billed"),
        money("booked"),
        money("outside"),
        sa.Column("currency", sa.String(3), nullable=False),
        instant("read_at", nullable=False),
        instant("checked_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliations"),
        sa.UniqueConstraint("connection_id", "day", name="uq_reconciliations_connection_id_day"),
        sa.CheckConstraint("state IN ('matched', 'timing', 'mismatch')", name="ck_reconciliations_state"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_reconciliations_connection_id"),
    )
    op.create_index("ix_reconciliations_day", "reconciliations", ["day"])
    compared = "state, billed, booked, outside, currency, read_at, checked_at"
    tenancy.protect_shared(
        "reconciliations", {"tp_finance": "SELECT", "tp_operator": f"SELECT, INSERT, UPDATE ({compared})"}
    )


def _findings() -> None:
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reconciliation_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.Column("api_key", sa.String(128), nullable=False),
        sa.Column("line_item", sa.String(200), nullable=False),
        sa.Column("base_model", sa.String(100), nullable=True),
        sa.Column("meter", sa.String(32), nullable=True),
        money("billed"),
        money("booked"),
        money("amount"),
        money("adjusted", default="0"),
        money("pending", default="0"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("is_there", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        instant("told_at"),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliation_findings"),
        sa.UniqueConstraint(
            "reconciliation_id", "cause", "project", "api_key", "line_item", name="uq_reconciliation_findings_line"
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"], ["reconciliations.id"], name="fk_reconciliation_findings_reconciliation_id"
        ),
    )
    found = (
        "base_model, meter, billed, booked, amount, adjusted, pending, revision, corrects, detail, is_there, told_at"
    )
    tenancy.protect_shared(
        "reconciliation_findings", {"tp_finance": "SELECT", "tp_operator": f"SELECT, INSERT, UPDATE ({found})"}
    )
