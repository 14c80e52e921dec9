"""Base models and prices, budgets and reservations, and the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, instant, money

revision: str = "money"
down_revision: str | None = "tenants"


def upgrade() -> None:
    """In the order of their foreign keys: an entry names its price, its reservation and its month."""
    _base_models()
    _prices()
    _budgets()
    _reservations()
    _ledger()


def _base_models() -> None:
    op.create_table(
        "base_models",
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("id", sa.String(100), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.String(100)), nullable=False),
        sa.Column("methods", postgresql.ARRAY(sa.String(32)), nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("vision", sa.Boolean(), nullable=False),
        sa.Column("encoding", sa.String(32), nullable=False),
        sa.Column("example_tokens_max", sa.Integer(), nullable=False),
        sa.Column("trainable_until", sa.Date(), nullable=True),
        sa.Column("shutdown_date", sa.Date(), nullable=True),
        sa.Column("replacement", sa.String(100), nullable=True),
        sa.PrimaryKeyConstraint("provider", "id", name="pk_base_models"),
        sa.CheckConstraint("example_tokens_max >= 0", name="ck_base_models_example_tokens_max"),
    )
    tenancy.protect_shared(
        "base_models", {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE"}
    )


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("meter", sa.String(32), nullable=False),
        money("unit_quantity"),
        money("amount"),
        sa.Column("currency", sa.String(3), nullable=False),
        instant("effective_from", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
        sa.UniqueConstraint(
            "provider", "model", "meter", "effective_from", name="uq_prices_provider_model_meter_effective_from"
        ),
        sa.ForeignKeyConstraint(
            ["provider", "model"], ["base_models.provider", "base_models.id"], name="fk_prices_provider_model"
        ),
        sa.CheckConstraint("amount >= 0", name="ck_prices_amount"),
        sa.CheckConstraint("unit_quantity > 0", name="ck_prices_unit_quantity"),
    )
    tenancy.protect_shared("prices", {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT"})
    tenancy.append_only("prices")


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        money("monthly_limit"),
        sa.PrimaryKeyConstraint("team_id", name="pk_budgets"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_budgets_team_id"),
        sa.CheckConstraint("monthly_limit >= 0", name="ck_budgets_monthly_limit"),
    )
    tenancy.protect(
        "budgets",
        {"tp_team": "SELECT", "tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE (monthly_limit)"},
        across_teams=["tp_finance", "tp_operator"],
    )
    op.create_table(
        "budget_months",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        money("limit_amount"),
        money("reserved", default="0"),
        money("spent", default="0"),
        sa.PrimaryKeyConstraint("team_id", "month", name="pk_budget_months"),
        sa.ForeignKeyConstraint(["team_id"], ["budgets.team_id"], name="fk_budget_months_team_id"),
        sa.CheckConstraint("limit_amount >= 0", name="ck_budget_months_limit_amount"),
        sa.CheckConstraint("reserved >= 0", name="ck_budget_months_reserved"),
        sa.CheckConstraint("spent >= 0", name="ck_budget_months_spent"),
    )
    tenancy.protect(
        "budget_months",
        {
            "tp_team": "SELECT, INSERT, UPDATE (reserved, spent)",
            "tp_finance": "SELECT",
            "tp_operator": "SELECT, INSERT, UPDATE (limit_amount)",
        },
        across_teams=["tp_finance", "tp_operator"],
    )


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("team_slug", sa.String(39), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("base_model", sa.String(100), nullable=False),
        money("amount"),
        sa.Column("state", sa.String(16), nullable=False, server_default="held"),
        money("settled_amount", default="0"),
        sa.Column("overrun", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        created_at(),
        instant("ended_at"),
        sa.PrimaryKeyConstraint("team_id", "job_id", name="pk_reservations"),
        sa.ForeignKeyConstraint(
            ["team_id", "month"], ["budget_months.team_id", "budget_months.month"], name="fk_reservations_team_id_month"
        ),
        sa.CheckConstraint("state IN ('held', 'settled', 'released')", name="ck_reservations_state"),
        sa.CheckConstraint("amount >= 0", name="ck_reservations_amount"),
        sa.CheckConstraint("settled_amount >= 0", name="ck_reservations_settled_amount"),
    )
    op.create_index(
        "ix_reservations_held", "reservations", ["team_id", "month"], postgresql_where=sa.text("state = 'held'")
    )
    tenancy.protect(
        "reservations",
        {
            "tp_team": "SELECT, INSERT, UPDATE (state, settled_amount, overrun, ended_at)",
            "tp_finance": "SELECT",
            "tp_operator": "SELECT",
        },
        across_teams=["tp_finance", "tp_operator"],
    )


def _ledger() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("debit_account", sa.String(100), nullable=False),
        sa.Column("credit_account", sa.String(100), nullable=False),
        money("amount"),
        sa.Column("currency", sa.String(3), nullable=False),
        instant("charged_at", nullable=False),
        sa.Column("budget_month", sa.Date(), nullable=False),
        sa.Column("ext_ref", sa.String(200), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        money("unit_price"),
        money("unit_quantity"),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("base_model", sa.String(100), nullable=False),
        sa.Column("model", sa.String(200), nullable=True),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("team_slug", sa.String(39), nullable=False),
        sa.Column("team_name", sa.String(100), nullable=False),
        sa.Column("cost_center", sa.String(100), nullable=True),
        sa.Column("product", sa.String(100), nullable=True),
        sa.Column("environment", sa.String(100), nullable=True),
        sa.Column("accrued", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "id", name="pk_ledger_entries"),
        sa.UniqueConstraint("ext_ref", name="uq_ledger_entries_ext_ref"),  # over all teams: no bill is booked twice
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_ledger_entries_team_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "job_id"],
            ["reservations.team_id", "reservations.job_id"],
            name="fk_ledger_entries_team_id_job_id",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "budget_month"],
            ["budget_months.team_id", "budget_months.month"],
            name="fk_ledger_entries_team_id_budget_month",
        ),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name="fk_ledger_entries_price_id"),
        sa.CheckConstraint("debit_account <> credit_account", name="ck_ledger_entries_accounts"),
    )
    op.create_index("ix_ledger_entries_charged_at", "ledger_entries", ["charged_at"])
    tenancy.protect(
        "ledger_entries",
        {"tp_team": "SELECT, INSERT", "tp_finance": "SELECT", "tp_operator": "SELECT"},
        across_teams=["tp_finance", "tp_operator"],
    )
    tenancy.append_only("ledger_entries")
