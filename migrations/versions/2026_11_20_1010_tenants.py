"""The audit trail, provider connections, teams and API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, instant

revision: str = "tenants"
down_revision: str | None = "ground"

_KEY_SHOWN = (
    "id, team_id, key_id, environment, last4, name, role, created_by, created_at, expires_at, last_used_at, revoked_at"
)


def upgrade() -> None:
    """In the order of their foreign keys: a team names its connection, a key its team."""
    _audit()
    _connections()
    _teams()
    _api_keys()


def _audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("object_type", sa.String(32), nullable=False),
        sa.Column("object_id", sa.String(128), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("ip", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    tenancy.protect(
        "audit_entries", {"tp_team": "INSERT", "tp_operator": "SELECT, INSERT"}, across_teams=["tp_operator"]
    )
    tenancy.append_only("audit_entries")


def _connections() -> None:
    op.create_table(
        "connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("base_url", sa.String(512), nullable=False),
        sa.Column("organisation", sa.String(128), nullable=True),
        sa.Column("project", sa.String(128), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("paused_reason", sa.String(), nullable=True),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("name", name="uq_connections_name"),
        sa.CheckConstraint("kind IN ('openai', 'azure', 'compatible')", name="ck_connections_kind"),
    )
    op.create_index(
        "uq_connections_is_default", "connections", ["is_default"], unique=True, postgresql_where=sa.text("is_default")
    )
    tenancy.protect_shared(
        "connections",
        {
            "tp_team": "SELECT (id, name, kind, provider, is_default)",
            "tp_worker": "SELECT",
            "tp_operator": "SELECT, INSERT, UPDATE",
        },
    )


def _teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(39), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("cost_center", sa.String(100), nullable=True),
        sa.Column("product", sa.String(100), nullable=True),
        sa.Column("environment", sa.String(100), nullable=True),
        sa.Column("contact", sa.String(200), nullable=True),
        sa.Column("time_zone", sa.String(64), nullable=False, server_default="UTC"),
        sa.Column("connection_id", sa.Uuid(), nullable=True),
        instant("archived_at"),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
        sa.UniqueConstraint("slug", name="uq_teams_slug"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_teams_connection_id"),
        sa.CheckConstraint("slug ~ '^[a-z][a-z0-9-]{1,38}$'", name="ck_teams_slug"),
    )
    tenancy.protect(
        "teams",
        {
            "tp_team": "SELECT",
            "tp_finance": "SELECT",
            "tp_operator": "SELECT, INSERT, UPDATE",
            "tp_auth": "SELECT (id, slug, name)",
        },
        across_teams=["tp_finance", "tp_operator", "tp_auth"],
        team_column="id",
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.String(10), nullable=False),
        sa.Column("environment", sa.String(12), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last4", sa.String(4), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        created_at(),
        instant("expires_at"),
        instant("last_used_at"),
        instant("revoked_at"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_id", name="uq_api_keys_key_id"),
        sa.UniqueConstraint("team_id", "id", name="uq_api_keys_team_id_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_api_keys_team_id"),
        sa.CheckConstraint(
            "role IN ('operator', 'finance', 'admin', 'member', 'viewer', 'resolver')", name="ck_api_keys_role"
        ),
        sa.CheckConstraint("(team_id IS NULL) = (role IN ('operator', 'finance'))", name="ck_api_keys_platform_role"),
    )
    # Only whoever compares digests may read them, and nobody can alter one: a changed key is a new key.
    tenancy.protect(
        "api_keys",
        {
            "tp_team": f"SELECT ({_KEY_SHOWN}), INSERT, UPDATE (revoked_at)",
            "tp_operator": f"SELECT ({_KEY_SHOWN}), INSERT, UPDATE (revoked_at)",
            "tp_auth": f"SELECT ({_KEY_SHOWN}, digest), UPDATE (last_used_at)",
            "tp_resolver": "SELECT (key_id, digest, team_id, role, expires_at, revoked_at)",
        },
        across_teams=["tp_operator", "tp_auth", "tp_resolver"],
    )
