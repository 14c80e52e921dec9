"""What teams may do beside spending: limits of the platform and of each team, and jobs counted by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import money

revision: str = "limits"
down_revision: str | None = "provider_accounts"


def upgrade() -> None:
    """`limits` holds what is set; what is absent is inherited from the platform, and there from the code's defaults."""
    op.create_table(
        "platform_limits",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("limits", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_limits"),
        sa.CheckConstraint("id = 1", name="ck_platform_limits_id"),
    )
    tenancy.protect_shared(
        "platform_limits",
        {"tp_team": "SELECT", "tp_worker": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE", "tp_finance": "SELECT"},
    )
    op.create_table(
        "team_limits",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("limits", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name="pk_team_limits"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_team_limits_team_id"),
    )
    tenancy.protect(
        "team_limits",
        {"tp_team": "SELECT", "tp_worker": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE", "tp_finance": "SELECT"},
        across_teams=["tp_worker", "tp_operator", "tp_finance"],
    )
    op.create_table(
        "job_days",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "day", name="pk_job_days"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_job_days_team_id"),
        sa.CheckConstraint("jobs >= 0", name="ck_job_days_jobs"),
    )
    tenancy.protect(
        "job_days",
        {"tp_team": "SELECT, INSERT, UPDATE (jobs)", "tp_operator": "SELECT, DELETE"},
        across_teams=["tp_operator"],
    )
    op.add_column("jobs", money("approval_above", nullable=True))
