"""Connections may have an admin key of their organisation, to read its costs and usage with."""

import sqlalchemy as sa
from alembic import op

revision: str = "admin_keys"
down_revision: str | None = "ledger"


def upgrade() -> None:
    """Who may know of an account may know whether it is read; the key itself opens as the other one does."""
    op.add_column("connections", sa.Column("sealed_admin_key", sa.LargeBinary(), nullable=True))
    known = sa.Computed("sealed_admin_key IS NOT NULL", persisted=True)
    op.add_column("connections", sa.Column("has_admin_key", sa.Boolean(), known, nullable=False))
    op.execute(
        "GRANT SELECT (id, name, kind, provider, project, archived_at, has_admin_key) ON connections TO tp_finance"
    )
    op.execute("CREATE POLICY tp_finance ON connections TO tp_finance USING (true) WITH CHECK (true)")
