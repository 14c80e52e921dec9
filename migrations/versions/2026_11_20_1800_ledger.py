"""The ledger takes everything that costs something: inference, adjustments, what belongs to no team; periods close."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import created_at, instant, money

revision: str = "ledger"
down_revision: str | None = "erasing"

_POSTED = "2000-01-01"  # only while the columns are filled: every later entry says its day itself


def upgrade() -> None:
    """Entries that are there were all of jobs and of open months."""
    _prices()
    _entries()
    _periods()
    _guard()


def _prices() -> None:
    op.add_column("prices", sa.Column("tier", sa.String(32), nullable=False, server_default="standard"))
    op.add_column("prices", money("list_amount", nullable=True))
    op.add_column("prices", sa.Column("created_by", sa.String(64), nullable=False, server_default="seed"))
    op.add_column("prices", created_at())
    op.drop_constraint("uq_prices_provider_model_meter_effective_from", "prices")
    op.create_unique_constraint(
        "uq_prices_provider_model_meter_tier_effective_from",
        "prices",
        ["provider", "model", "meter", "tier", "effective_from"],
    )
    op.create_check_constraint("ck_prices_list_amount", "prices", "list_amount >= 0")
    op.execute("GRANT INSERT ON prices TO tp_finance")


def _entries() -> None:
    op.drop_constraint("pk_ledger_entries", "ledger_entries")
    op.create_primary_key("pk_ledger_entries", "ledger_entries", ["id"])
    op.create_unique_constraint("uq_ledger_entries_team_id_id", "ledger_entries", ["team_id", "id"])
    for column in (
        "team_id", "job_id", "budget_month", "price_id", "unit_price", "unit_quantity", "base_model", "team_slug",
        "team_name",
    ):  # fmt: skip
        op.alter_column("ledger_entries", column, nullable=True)
    op.add_column("ledger_entries", sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_unique_constraint("uq_ledger_entries_seq", "ledger_entries", ["seq"])
    op.add_column("ledger_entries", sa.Column("provider", sa.String(32), nullable=False, server_default=""))
    op.add_column("ledger_entries", sa.Column("provider_job_id", sa.String(128), nullable=True))
    op.add_column("ledger_entries", sa.Column("connection_id", sa.Uuid(), nullable=True))
    op.add_column("ledger_entries", sa.Column("meter", sa.String(32), nullable=False, server_default=""))
    op.add_column("ledger_entries", sa.Column("posted_on", sa.Date(), nullable=False, server_default=_POSTED))
    op.add_column("ledger_entries", instant_of_recording())
    op.add_column("ledger_entries", money("list_unit_price", nullable=True))
    op.add_column("ledger_entries", money("estimated", default="0"))
    op.add_column("ledger_entries", sa.Column("version_id", sa.Uuid(), nullable=True))
    op.add_column("ledger_entries", sa.Column("corrects", sa.Uuid(), nullable=True))
    op.add_column("ledger_entries", sa.Column("reason", sa.String(500), nullable=True))
    op.add_column("ledger_entries", sa.Column("booked_by", sa.String(64), nullable=False, server_default="worker"))
    _fill()
    for column in ("provider", "meter", "posted_on"):
        op.alter_column("ledger_entries", column, server_default=None)
    op.create_foreign_key("fk_ledger_entries_connection_id", "ledger_entries", "connections", ["connection_id"], ["id"])
    op.create_foreign_key(
        "fk_ledger_entries_team_id_corrects",
        "ledger_entries",
        "ledger_entries",
        ["team_id", "corrects"],
        ["team_id", "id"],
    )
    op.create_check_constraint(
        "ck_ledger_entries_kind", "ledger_entries", "kind IN ('training', 'inference', 'adjustment')"
    )
    op.create_check_constraint(
        "ck_ledger_entries_priced", "ledger_entries", "kind = 'adjustment' OR price_id IS NOT NULL"
    )
    op.drop_index("ix_ledger_entries_charged_at")
    op.create_index("ix_ledger_entries_posted_on", "ledger_entries", ["posted_on", "id"])
    op.create_index("ix_ledger_entries_team_id_posted_on", "ledger_entries", ["team_id", "posted_on", "id"])
    op.create_index("ix_ledger_entries_job_id", "ledger_entries", ["job_id"])
    op.create_index(
        "ix_ledger_entries_corrects", "ledger_entries", ["corrects"], postgresql_where=sa.text("corrects IS NOT NULL")
    )
    op.execute("GRANT INSERT ON ledger_entries TO tp_operator")  # what belongs to no team


def instant_of_recording() -> "sa.Column[object]":
    """When the row was written, by the database's clock, to the moment: one transaction may write many."""
    at = sa.DateTime(timezone=True)
    return sa.Column("recorded_at", at, nullable=False, server_default=sa.text("clock_timestamp()"))


def _fill() -> None:
    op.execute("ALTER TABLE ledger_entries DISABLE TRIGGER USER")
    op.execute("ALTER TABLE ledger_entries NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        UPDATE ledger_entries SET
            provider = split_part(ext_ref, ':', 2),
            provider_job_id = split_part(ext_ref, ':', 3),
            meter = CASE kind WHEN 'training_time' THEN 'training_hours' ELSE 'training_tokens' END,
            kind = 'training',
            posted_on = (charged_at AT TIME ZONE 'UTC')::date,
            recorded_at = charged_at,
            estimated = coalesce((
                SELECT r.amount FROM reservations r
                WHERE r.team_id = ledger_entries.team_id AND r.job_id = ledger_entries.job_id), 0)
        """
    )
    op.execute("ALTER TABLE ledger_entries FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE ledger_entries ENABLE TRIGGER USER")


def _periods() -> None:
    op.create_table(
        "billing_periods",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("changed_by", sa.String(64), nullable=False),
        instant("changed_at", nullable=False),
        sa.PrimaryKeyConstraint("month", name="pk_billing_periods"),
        sa.CheckConstraint("state IN ('open', 'closed')", name="ck_billing_periods_state"),
        sa.CheckConstraint("extract(day FROM month) = 1", name="ck_billing_periods_month"),
    )
    tenancy.protect_shared(
        "billing_periods",
        {
            "tp_team": "SELECT",
            "tp_finance": "SELECT, INSERT, UPDATE (state, revision, reason, changed_by, changed_at)",
            "tp_operator": "SELECT, INSERT, UPDATE (state, revision, reason, changed_by, changed_at)",
        },
    )
    op.create_table(
        "period_seals",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        money("total"),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_by", sa.String(64), nullable=False),
        instant("sealed_at", nullable=False),
        sa.PrimaryKeyConstraint("month", "revision", name="pk_period_seals"),
        sa.ForeignKeyConstraint(["month"], ["billing_periods.month"], name="fk_period_seals_month"),
    )
    tenancy.protect_shared("period_seals", {"tp_finance": "SELECT, INSERT", "tp_operator": "SELECT, INSERT"})
    tenancy.append_only("period_seals")
    op.execute("GRANT INSERT ON audit_entries TO tp_finance")
    op.execute("CREATE POLICY tp_finance ON audit_entries TO tp_finance USING (true) WITH CHECK (true)")


def _guard() -> None:
    """Whoever books, however: nothing is ever posted into a closed month."""
    op.execute(
        """
        CREATE FUNCTION refuse_closed_period() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF EXISTS (SELECT FROM billing_periods
                       WHERE month = date_trunc('month', NEW.posted_on)::date AND state = 'closed') THEN
                RAISE EXCEPTION 'the period of % is closed', NEW.posted_on USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER ledger_entries_open_period BEFORE INSERT ON ledger_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_closed_period()"
    )
