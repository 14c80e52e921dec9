"""Whoever checks a key sees whether its team is archived."""

from alembic import op

revision: str = "archived_teams"
down_revision: str | None = "budgets"


def upgrade() -> None:
    """One more column to one role."""
    op.execute("GRANT SELECT (archived_at) ON teams TO tp_auth")
