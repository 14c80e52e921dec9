"""Budgets have terms that are inherited, months carry and are granted money, jobs hold tokens beside it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import instant, money

revision: str = "budgets"
down_revision: str | None = "metering"

_HELD = ("budgets", "budget_months", "reservations", "ledger_entries", "jobs", "prices")


def upgrade() -> None:
    """Budgets and months that are there keep their limits; what was held and spent is counted in tokens too."""
    _terms()
    _months()
    _reservations()
    _fill()
    op.drop_column("budgets", "monthly_limit")
    op.alter_column("budgets", "terms", server_default=None)
    op.execute("GRANT UPDATE (terms) ON budgets TO tp_operator")
    _alerts()
    _requests()
    _rates()


def _terms() -> None:
    op.create_table(
        "platform_budget",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_budget"),
        sa.CheckConstraint("id = 1", name="id"),
    )
    tenancy.protect_shared(
        "platform_budget", {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE"}
    )
    op.add_column("budgets", sa.Column("terms", postgresql.JSONB(), nullable=False, server_default="{}"))


def _months() -> None:
    table = "budget_months"
    op.drop_constraint("fk_budget_months_team_id", table)
    op.create_foreign_key("fk_budget_months_team_id", table, "teams", ["team_id"], ["id"])
    for made_as in ("limit_amount", "spent"):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_ck_{table}_{made_as}")
    op.alter_column(table, "limit_amount", new_column_name="base_amount", nullable=True)
    op.create_check_constraint("base_amount", table, "base_amount >= 0")
    for column in ("carried", "granted", "carried_out"):
        op.add_column(table, money(column, default="0"))
    op.add_column(table, instant("grants_until"))
    limit = sa.Computed("base_amount + carried + granted", persisted=True)
    op.add_column(table, sa.Column("limit_amount", sa.Numeric(20, 10), limit, nullable=True))
    for column in ("tokens_reserved", "tokens_spent"):
        op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_check_constraint("carried", table, "carried >= 0 AND carried_out >= 0")
    op.create_check_constraint("granted", table, "granted >= 0")
    op.create_check_constraint("tokens", table, "tokens_reserved >= 0 AND tokens_spent >= 0")
    op.execute(
        "GRANT UPDATE (granted, grants_until, carried_out, tokens_reserved, tokens_spent) ON budget_months TO tp_team"
    )
    op.execute("GRANT UPDATE (granted, grants_until, carried_out) ON budget_months TO tp_operator")


def _reservations() -> None:
    for column in ("tokens", "settled_tokens"):
        op.add_column("reservations", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_check_constraint("tokens", "reservations", "tokens >= 0 AND settled_tokens >= 0")
    op.execute("GRANT UPDATE (tokens, settled_tokens) ON reservations TO tp_team")


def _fill() -> None:
    for table in _HELD:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE budgets SET terms = jsonb_build_object('monthly_limit', trim_scale(monthly_limit)::text)")
    op.execute(
        """
        UPDATE reservations SET
            tokens = coalesce((
                SELECT j.billed_tokens * j.epochs_priced FROM jobs j JOIN prices p ON p.id = j.price_id
                WHERE j.team_id = reservations.team_id AND j.id = job_id AND p.meter = 'training_tokens'), 0),
            settled_tokens = coalesce((
                SELECT sum(quantity) FROM ledger_entries l
                WHERE l.team_id = reservations.team_id AND l.job_id = reservations.job_id
                  AND l.kind = 'training' AND l.meter = 'training_tokens'), 0)
        """
    )
    op.execute(
        """
        UPDATE budget_months SET tokens_reserved = held, tokens_spent = settled FROM (
            SELECT team_id, month, coalesce(sum(tokens) FILTER (WHERE state = 'held'), 0) AS held,
                   sum(settled_tokens) AS settled
            FROM reservations GROUP BY team_id, month) AS sums
        WHERE sums.team_id = budget_months.team_id AND sums.month = budget_months.month
        """
    )
    for table in _HELD:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _alerts() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), autoincrement=False, nullable=False),
        money("limit_amount"),
        money("spent"),
        instant("told_at", nullable=False),
        sa.PrimaryKeyConstraint("team_id", "month", "percent", name="pk_budget_alerts"),
        sa.ForeignKeyConstraint(
            ["team_id", "month"],
            ["budget_months.team_id", "budget_months.month"],
            name="fk_budget_alerts_team_id_month",
        ),
    )
    tenancy.protect(
        "budget_alerts",
        {"tp_team": "SELECT, INSERT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT"},
        across_teams=["tp_finance", "tp_operator"],
    )
    tenancy.append_only("budget_alerts")
    op.execute("GRANT INSERT ON events TO tp_operator")  # a limit that falls reaches what is spent already


def _requests() -> None:
    op.create_table(
        "budget_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("team_slug", sa.String(39), nullable=False),
        money("amount"),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, server_default="pending"),
        sa.Column("created_by", sa.String(64), nullable=False),
        instant("created_at", nullable=False),
        instant("expires_at", nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=True),
        instant("decided_at"),
        sa.Column("note", sa.String(500), nullable=True),
        sa.Column("month", sa.Date(), nullable=True),
        money("granted_amount", nullable=True),
        instant("granted_until"),
        instant("taken_back_at"),
        sa.PrimaryKeyConstraint("id", name="pk_budget_requests"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_budget_requests_team_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "month"],
            ["budget_months.team_id", "budget_months.month"],
            name="fk_budget_requests_team_id_month",
        ),
        sa.CheckConstraint("state IN ('pending', 'approved', 'declined', 'withdrawn')", name="state"),
        sa.CheckConstraint("amount > 0 AND granted_amount > 0", name="amount"),
        sa.CheckConstraint("(state = 'approved') = (granted_amount IS NOT NULL)", name="granted"),
    )
    op.create_index("ix_budget_requests_team_id", "budget_requests", ["team_id", "id"])
    op.create_index(
        "ix_budget_requests_granted",
        "budget_requests",
        ["team_id", "month"],
        postgresql_where=sa.text("state = 'approved' AND taken_back_at IS NULL"),
    )
    decided = "state, decided_by, decided_at, note, month, granted_amount, granted_until, taken_back_at"
    tenancy.protect(
        "budget_requests",
        {
            "tp_team": f"SELECT, INSERT, UPDATE ({decided})",
            "tp_finance": "SELECT",
            "tp_operator": f"SELECT, UPDATE ({decided})",
        },
        across_teams=["tp_finance", "tp_operator"],
    )


def _rates() -> None:
    """Whoever looks a key up learns how often it may ask."""
    for table in ("platform_limits", "team_limits"):
        op.execute(f"GRANT SELECT ON {table} TO tp_auth")
        op.execute(f"CREATE POLICY tp_auth ON {table} TO tp_auth USING (true) WITH CHECK (true)")
