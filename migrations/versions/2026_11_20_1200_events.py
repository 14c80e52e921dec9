"""The outbox of events. A new table: the previous release does not know it and loses nothing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy

revision: str = "events"
down_revision: str | None = "jobs"


def upgrade() -> None:
    """Teams add to it and never read it: what is told goes out by webhooks."""
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("team_id", "id", name="uq_events_team_id_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_events_team_id"),
    )
    op.create_index("ix_events_team_id_type_id", "events", ["team_id", "type", "id"])
    tenancy.protect("events", {"tp_team": "INSERT", "tp_operator": "SELECT"}, across_teams=["tp_operator"])
    tenancy.append_only("events")
