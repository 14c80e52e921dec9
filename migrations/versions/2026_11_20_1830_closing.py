"""The books are closed up to a month, and a seal knows each day's entries."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import money

revision: str = "closing"
down_revision: str | None = "cost_rollup"


def upgrade() -> None:
    """No month is closed yet, so nothing has to be sealed after the fact."""
    op.create_table(
        "sealed_days",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        money("total"),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("month", "revision", "day", name="pk_sealed_days"),
        sa.ForeignKeyConstraint(
            ["month", "revision"],
            ["period_seals.month", "period_seals.revision"],
            name="fk_sealed_days_month_revision",
        ),
    )
    tenancy.protect_shared("sealed_days", {"tp_finance": "SELECT, INSERT", "tp_operator": "SELECT, INSERT"})
    tenancy.append_only("sealed_days")
    # Hashes do not get smaller.
    op.execute("ALTER TABLE sealed_days ALTER COLUMN leaves SET STORAGE EXTERNAL")
    op.execute(
        """
        CREATE OR REPLACE FUNCTION refuse_closed_period() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF EXISTS (SELECT FROM billing_periods
                       WHERE month >= date_trunc('month', NEW.posted_on)::date AND state = 'closed') THEN
                RAISE EXCEPTION 'the period of % is closed', NEW.posted_on USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
