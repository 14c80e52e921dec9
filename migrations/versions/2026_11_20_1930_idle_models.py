"""Finance and teams see which tuned models lie idle: whose they are, up to when usage was read, and what they cost.

The previous release reads and writes all of it as before.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "idle_models"
down_revision: str | None = "billed_accounts"


def upgrade() -> None:
    """Of a reading teams see the day it reached, not what the provider said."""
    op.create_index(
        "ix_ledger_entries_model", "ledger_entries", ["model"], postgresql_where=sa.text("model IS NOT NULL")
    )
    op.execute("GRANT SELECT ON owned_models TO tp_finance")
    op.execute("CREATE POLICY tp_finance ON owned_models TO tp_finance USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT (connection_id, what, through) ON provider_readings TO tp_team")
    op.execute("CREATE POLICY tp_team ON provider_readings TO tp_team USING (true) WITH CHECK (true)")
