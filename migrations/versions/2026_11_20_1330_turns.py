"""Turns: how far each team has come in a lane, and the jobs that tell how long one takes."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy

revision: str = "turns"
down_revision: str | None = "whole_jobs"


def upgrade() -> None:
    """`mark` orders teams that hold equally many slots; the index finds a lane's last ended jobs.

    Jobs under way hold a slot each, as if they had been granted one.
    """
    op.execute(
        "UPDATE jobs SET slot_at = created_at WHERE slot_at IS NULL AND due_at IS NOT NULL"
        " AND state NOT IN ('waiting_for_dataset', 'awaiting_approval', 'succeeded', 'failed', 'cancelled')"
    )
    op.create_table(
        "team_turns",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("base_model", sa.String(128), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "base_model", "team_id", name="pk_team_turns"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_team_turns_connection_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_team_turns_team_id"),
    )
    tenancy.protect(
        "team_turns", {"tp_team": "SELECT", "tp_worker": "SELECT, INSERT, UPDATE (mark)"}, across_teams=["tp_worker"]
    )
    op.create_index(
        "ix_jobs_ended", "jobs", ["connection_id", "base_model", "finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL AND submitted_at IS NOT NULL"),
    )  # fmt: skip
