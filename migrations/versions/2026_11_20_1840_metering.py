"""Inference on tuned models is metered: whose models, keys and projects there are, and what each used on each day."""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import instant, money

revision: str = "metering"
down_revision: str | None = "closing"

_TOLD = "quantity, requests, read_at, team_id, owner, version_id"
_BOOKED = "booked, amount, revision, is_unpriced"
_NOW = sa.text("now()")


def upgrade() -> None:
    """Models that are versions already are owned by their teams."""
    _owned_models()
    _usage_owners()
    _usage_days()
    _provider_readings()


def _owned_models() -> None:
    op.create_table(
        "owned_models",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=True),
        sa.Column("base_model", sa.String(255), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("owned_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("team_id", "model", name="pk_owned_models"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_owned_models_team_id"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_owned_models_connection_id"),
    )
    op.create_index("ix_owned_models_model", "owned_models", ["model"])
    op.execute("ALTER TABLE model_versions NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO owned_models (team_id, model, connection_id, base_model, version_id, owned_at) "
        "SELECT DISTINCT ON (team_id, provider_model_id) team_id, provider_model_id, connection_id, base_model, id, "
        "created_at FROM model_versions ORDER BY team_id, provider_model_id, id"
    )
    op.execute("ALTER TABLE model_versions FORCE ROW LEVEL SECURITY")
    tenancy.protect(
        "owned_models",
        {"tp_team": "SELECT, INSERT, UPDATE (version_id)", "tp_operator": "SELECT"},
        across_teams=["tp_operator"],
    )


def _usage_owners() -> None:
    op.create_table(
        "usage_owners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("external_id", sa.String(128), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="pk_usage_owners"),
        sa.UniqueConstraint(
            "connection_id", "kind", "external_id", name="uq_usage_owners_connection_id_kind_external_id"
        ),
        sa.CheckConstraint("kind IN ('project', 'api_key')", name="ck_usage_owners_kind"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_usage_owners_connection_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_usage_owners_team_id"),
    )
    op.create_index("ix_usage_owners_team_id", "usage_owners", ["team_id"])
    set_by_them = "SELECT, INSERT, UPDATE (team_id, changed_by, changed_at), DELETE"
    tenancy.protect(
        "usage_owners",
        {"tp_team": "SELECT", "tp_finance": set_by_them, "tp_operator": set_by_them},
        across_teams=["tp_finance", "tp_operator"],
    )


def _usage_days() -> None:
    op.create_table(
        "usage_days",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.Column("api_key", sa.String(128), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("base_model", sa.String(100), nullable=False),
        sa.Column("tier", sa.String(32), nullable=False),
        sa.Column("meter", sa.String(32), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("booked", sa.BigInteger(), nullable=False, server_default="0"),
        money("amount", default="0"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("is_unpriced", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.String(8), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        instant("read_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_days"),
        sa.UniqueConstraint(
            "connection_id", "day", "project", "api_key", "model", "tier", "meter",
            name="uq_usage_days_line",
        ),
        sa.CheckConstraint("quantity >= 0", name="ck_usage_days_quantity"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_usage_days_connection_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_usage_days_team_id"),
    )  # fmt: skip
    op.create_index("ix_usage_days_team_id", "usage_days", ["team_id", "id"])
    op.create_index("ix_usage_days_model", "usage_days", ["model", "day"])
    op.create_index("ix_usage_days_unbooked", "usage_days", ["id"], postgresql_where=sa.text("quantity <> booked"))
    tenancy.protect(
        "usage_days",
        {
            "tp_team": f"SELECT, UPDATE ({_BOOKED})",
            "tp_finance": "SELECT",
            "tp_operator": f"SELECT, INSERT, UPDATE ({_TOLD}, {_BOOKED})",
        },
        across_teams=["tp_finance", "tp_operator"],
    )


def _provider_readings() -> None:
    op.create_table(
        "provider_readings",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(8), nullable=False),
        instant("asked_at", nullable=False),
        instant("read_at"),
        sa.Column("through", sa.Date(), nullable=True),
        sa.Column("newest_day", sa.Date(), nullable=True),
        sa.Column("failure", sa.String(32), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("connection_id", "what", name="pk_provider_readings"),
        sa.CheckConstraint("what IN ('usage', 'costs')", name="ck_provider_readings_what"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_provider_readings_connection_id"),
    )
    tenancy.protect_shared("provider_readings", {"tp_finance": "SELECT", "tp_operator": "SELECT, INSERT, UPDATE"})
