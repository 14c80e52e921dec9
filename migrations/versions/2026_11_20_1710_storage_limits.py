"""Who shows a team's limits adds up what its datasets take."""

from migrations import tenancy

revision: str = "storage_limits"
down_revision: str | None = "preparations"


def upgrade() -> None:
    """An operator sees how large datasets are, and nothing else of them."""
    tenancy.protect("datasets", {"tp_operator": "SELECT (team_id, state, bytes)"}, across_teams=["tp_operator"])
