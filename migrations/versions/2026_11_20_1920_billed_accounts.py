"""Finance sees what the provider calls an account: invoices and FOCUS name it so."""

from alembic import op

revision: str = "billed_accounts"
down_revision: str | None = "reconciliation"


def upgrade() -> None:
    """Of the columns that tell how an account is reached, no more."""
    op.execute("GRANT SELECT (organisation) ON connections TO tp_finance")
