"""Provider accounts: their caps, their health, tests on demand, and the webhooks they send."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import created_at, instant, work_columns

revision: str = "provider_accounts"
down_revision: str | None = "events"


def upgrade() -> None:
    """A connection's settings are an operator's; how it is doing is what every worker notes in `circuits`."""
    _circuits()
    _connections()
    _connection_slots()
    _connection_tests()
    _provider_webhooks()


def _circuits() -> None:
    op.create_table(
        "circuits",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        instant("open_until"),
        sa.Column("reason", sa.String(), nullable=True),
        instant("since"),
        instant("trial_until"),
        sa.Column("tokens", sa.Float(), nullable=True),
        instant("refilled_at"),
        sa.PrimaryKeyConstraint("name", name="pk_circuits"),
    )
    tenancy.protect_shared(
        "circuits",
        {
            "tp_team": "SELECT (name, open_until, reason, since)",
            "tp_worker": "SELECT, INSERT, UPDATE",
            "tp_operator": "SELECT, INSERT, UPDATE",
        },
    )


def _connections() -> None:
    op.add_column("connections", sa.Column("requests_per_minute", sa.Integer(), nullable=True))
    op.add_column("connections", sa.Column("slots", sa.Integer(), nullable=True))
    op.add_column("connections", sa.Column("sealed_webhook_secret", sa.LargeBinary(), nullable=True))
    op.add_column("connections", instant("paused_at"))
    op.add_column("connections", instant("archived_at"))
    op.create_check_constraint("ck_connections_requests_per_minute", "connections", "requests_per_minute > 0")
    op.create_check_constraint("ck_connections_slots", "connections", "slots >= 0")
    op.execute("GRANT SELECT (slots, paused_reason, paused_at, archived_at) ON connections TO tp_team")


def _connection_slots() -> None:
    op.create_table(
        "connection_slots",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("base_model", sa.String(128), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("learned", sa.Integer(), nullable=True),
        instant("learned_at"),
        sa.PrimaryKeyConstraint("connection_id", "base_model", name="pk_connection_slots"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_connection_slots_connection_id"),
        sa.CheckConstraint("slots >= 0", name="ck_connection_slots_slots"),
        sa.CheckConstraint("learned > 0", name="ck_connection_slots_learned"),
    )
    tenancy.protect_shared(
        "connection_slots",
        {
            "tp_team": "SELECT",
            "tp_worker": "SELECT, INSERT (connection_id, base_model, learned, learned_at), "
            "UPDATE (learned, learned_at)",
            "tp_operator": "SELECT, INSERT, UPDATE, DELETE",
        },
    )


def _connection_tests() -> None:
    op.create_table(
        "connection_tests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        created_at(),
        sa.Column("code", sa.String(128), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("models", sa.Integer(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        instant("finished_at"),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_connection_tests"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_connection_tests_connection_id"),
    )
    op.create_index(
        "ix_connection_tests_due_at", "connection_tests", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    tenancy.protect_shared(
        "connection_tests",
        {"tp_worker": "SELECT, UPDATE", "tp_operator": "SELECT, INSERT"},
    )


def _provider_webhooks() -> None:
    op.create_table(
        "provider_webhooks",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.String(128), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("connection_id", "webhook_id", name="pk_provider_webhooks"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_provider_webhooks_connection_id"),
    )
    tenancy.protect_shared("provider_webhooks", {"tp_worker": "SELECT, INSERT", "tp_operator": "SELECT, DELETE"})
