"""The whole registry: sharing, imported versions and verdicts, weighted targets, the history of moves, and schedules.

New columns have a default or are nullable, so that the running version goes on registering. What it promotes while
both run gets no target and no history: let it end before anybody promotes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import tenancy
from migrations.columns import created_at, instant, work_columns

revision: str = "registry_whole"
down_revision: str | None = "idle_models"

_OWN = "nullif(current_setting('app.team_id', true), '')::uuid"
_NOW_XID = "pg_current_xact_id()::text::bigint"
_SCHEDULED = f"id, team_id, state, {tenancy.CLAIMED}"


def upgrade() -> None:
    """In the order of their foreign keys."""
    _models()
    _shares()
    _versions()
    _aliases()
    _targets()
    _moves()
    _schedules()
    _touching()
    _sharing()


def _models() -> None:
    for column in (
        sa.Column("owner", sa.String(39), nullable=True),
        sa.Column("visibility", sa.String(8), nullable=False, server_default="team"),
        sa.Column("notes", sa.String(2000), nullable=True),
        sa.Column("fallback", sa.String(255), nullable=True),
        sa.Column("touched", sa.BigInteger(), nullable=False, server_default=sa.text(f"({_NOW_XID})")),
    ):
        op.add_column("models", column)
    op.create_check_constraint("ck_models_visibility", "models", "visibility IN ('team', 'shared', 'company')")
    op.create_index("ix_models_touched", "models", ["touched"])
    op.create_index("ix_models_visibility", "models", ["visibility"], postgresql_where=sa.text("visibility <> 'team'"))
    # The previous release knows no owner: whoever inserts a model, its owner is the slug of its team.
    op.execute(
        """
        CREATE FUNCTION name_owner() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.owner := (SELECT slug FROM teams WHERE id = NEW.team_id); RETURN NEW; END $$
        """
    )
    op.execute("CREATE TRIGGER models_owner BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION name_owner()")
    _unforced("models", "UPDATE models SET owner = (SELECT slug FROM teams WHERE teams.id = models.team_id)")
    op.alter_column("models", "owner", nullable=False)
    op.execute("GRANT UPDATE (visibility, notes, fallback, touched) ON models TO tp_team")


def _shares() -> None:
    op.create_table(
        "model_shares",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("shared_with", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(39), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "model_id", "shared_with", name="pk_model_shares"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id"], ["models.team_id", "models.id"], name="fk_model_shares_team_id_model_id"
        ),
    )
    op.create_index("ix_model_shares_shared_with", "model_shares", ["shared_with"])
    tenancy.protect(
        "model_shares",
        {"tp_team": "SELECT, INSERT, DELETE", "tp_resolver": "SELECT", "tp_operator": "SELECT"},
        across_teams=["tp_resolver", "tp_operator"],
    )


def _versions() -> None:
    for column in (
        sa.Column("source", sa.String(10), nullable=False, server_default="job"),
        sa.Column("notes", sa.String(2000), nullable=True),
        sa.Column("metrics", postgresql.JSONB(), nullable=False, server_default="{}"),
        sa.Column("verdict", sa.String(6), nullable=True),
        sa.Column("verdict_evidence", postgresql.JSONB(), nullable=True),
        instant("verdict_at"),
        instant("retired_at"),
        instant("unavailable_since"),
        instant("probed_at"),
    ):
        op.add_column("model_versions", column)
    for name in ("job_id", "dataset_id"):
        op.alter_column("model_versions", name, nullable=True)
    checks = {
        "source": "source IN ('job', 'checkpoint', 'import')",
        "lineage": "source = 'import' OR (job_id IS NOT NULL AND dataset_id IS NOT NULL)",
        "verdict": "verdict IN ('passed', 'failed')",
        "state": "state IN ('loading', 'ready', 'unavailable', 'retired')",
    }
    for name, condition in checks.items():
        op.create_check_constraint(f"ck_model_versions_{name}", "model_versions", condition)
    op.create_index("ix_model_versions_provider_model_id", "model_versions", ["team_id", "provider_model_id"])
    op.execute("GRANT SELECT (model_id, state, source, retired_at, unavailable_since) ON model_versions TO tp_resolver")


def _aliases() -> None:
    for column in (
        sa.Column("revision", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("protected_role", sa.String(8), nullable=True),
        sa.Column("required_verdict", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("on_unavailable", sa.String(4), nullable=False, server_default="stay"),
        sa.Column("fallen_back", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    ):
        op.add_column("aliases", column)
    op.alter_column("aliases", "version_id", nullable=True)
    op.create_check_constraint("ck_aliases_protected_role", "aliases", "protected_role IN ('admin', 'operator')")
    op.create_check_constraint("ck_aliases_on_unavailable", "aliases", "on_unavailable IN ('stay', 'move')")


def _targets() -> None:
    op.create_table(
        "alias_targets",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "model_id", "alias", "version_id", name="pk_alias_targets"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id", "alias"], ["aliases.team_id", "aliases.model_id", "aliases.alias"],
            name="fk_alias_targets_team_id_model_id_alias",
        ),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id", "version_id"],
            ["model_versions.team_id", "model_versions.model_id", "model_versions.id"],
            name="fk_alias_targets_team_id_model_id_version_id",
        ),
        sa.CheckConstraint("weight BETWEEN 1 AND 10000", name="ck_alias_targets_weight"),
    )  # fmt: skip
    _unforced(
        "aliases",
        "INSERT INTO alias_targets (team_id, model_id, alias, version_id, weight) "
        "SELECT team_id, model_id, alias, version_id, 10000 FROM aliases",
    )
    tenancy.protect(
        "alias_targets",
        {"tp_team": "SELECT, INSERT, UPDATE, DELETE", "tp_resolver": "SELECT", "tp_operator": "SELECT"},
        across_teams=["tp_resolver", "tp_operator"],
    )


def _moves() -> None:
    op.create_table(
        "alias_moves",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        instant("at", nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("evidence", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "model_id", "alias", "revision", name="pk_alias_moves"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id"], ["models.team_id", "models.id"], name="fk_alias_moves_team_id_model_id"
        ),
    )
    op.execute("ALTER TABLE model_versions NO FORCE ROW LEVEL SECURITY")
    _unforced(
        "aliases",
        """
        INSERT INTO alias_moves (team_id, model_id, alias, revision, at, by, action, targets, reason)
        SELECT team_id, model_id, alias, 1, moved_at, moved_by, 'promote',
               jsonb_build_array(jsonb_build_object('version', number, 'weight', 10000, 'model', provider_model_id)),
               reason
        FROM aliases JOIN model_versions USING (team_id, model_id) WHERE version_id = model_versions.id
        """,
    )
    op.execute("ALTER TABLE model_versions FORCE ROW LEVEL SECURITY")
    tenancy.protect("alias_moves", {"tp_team": "SELECT, INSERT", "tp_operator": "SELECT"}, across_teams=["tp_operator"])
    tenancy.append_only("alias_moves")


def _schedules() -> None:
    op.create_table(
        "alias_schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        instant("starts_at", nullable=False),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        created_at(),
        instant("ended_at"),
        sa.Column("outcome", sa.String(500), nullable=True),
        *work_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_alias_schedules"),
        sa.UniqueConstraint("team_id", "id", name="uq_alias_schedules_team_id_id"),
        sa.ForeignKeyConstraint(
            ["team_id", "model_id"], ["models.team_id", "models.id"], name="fk_alias_schedules_team_id_model_id"
        ),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed', 'cancelled')", name="ck_alias_schedules_state"),
    )
    op.create_index(
        "ix_alias_schedules_due_at", "alias_schedules", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index("ix_alias_schedules_team_id_model_id", "alias_schedules", ["team_id", "model_id", "id"])
    tenancy.protect(
        "alias_schedules",
        {
            "tp_team": "SELECT, INSERT, UPDATE",
            "tp_worker": f"SELECT ({_SCHEDULED}), UPDATE ({tenancy.CLAIMED})",
            "tp_operator": "SELECT",
        },
        across_teams=["tp_worker", "tp_operator"],
    )


def _touching() -> None:
    """Whatever a resolver shows of a model changes `models.touched` and is told, so that nobody must read all rows."""
    op.execute(
        f"""
        CREATE FUNCTION touch_model() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_TABLE_NAME = 'models' THEN
                NEW.touched := {_NOW_XID};
                PERFORM pg_notify('resolve_changed', 'model:' || NEW.id);
                RETURN NEW;
            END IF;
            UPDATE models SET touched = {_NOW_XID}
            WHERE team_id = coalesce(NEW.team_id, OLD.team_id) AND id = coalesce(NEW.model_id, OLD.model_id)
              AND touched <> {_NOW_XID};
            RETURN NULL;
        END $$
        """  # noqa: S608 - of constants
    )
    op.execute(
        "CREATE TRIGGER models_touched BEFORE INSERT OR UPDATE ON models FOR EACH ROW EXECUTE FUNCTION touch_model()"
    )
    # Not when a worker claims a version: that changes nothing that is shown, and it may not change models.
    shown = "state, shutdown_date, provider_model_id, base_model, retired_at, unavailable_since"
    for table, when in {
        "model_versions": f"INSERT OR UPDATE OF {shown}",
        "aliases": "INSERT OR UPDATE OR DELETE",
        "alias_targets": "INSERT OR UPDATE OR DELETE",
        "model_shares": "INSERT OR UPDATE OR DELETE",
    }.items():
        op.execute(f"CREATE TRIGGER {table}_touch AFTER {when} ON {table} FOR EACH ROW EXECUTE FUNCTION touch_model()")


def _sharing() -> None:
    """A team also reads, and only reads, what others have shared with it or with the company."""
    op.execute(f"CREATE POLICY tp_team_shared ON model_shares FOR SELECT TO tp_team USING (shared_with = {_OWN})")
    op.execute(
        f"""
        CREATE POLICY tp_team_shared ON models FOR SELECT TO tp_team USING ({_OWN} IS NOT NULL AND (
            visibility = 'company' OR (visibility = 'shared' AND EXISTS (
                SELECT FROM model_shares AS share
                WHERE share.team_id = models.team_id AND share.model_id = models.id AND share.shared_with = {_OWN}
            ))
        ))
        """  # noqa: S608 - of constants
    )
    for table in ("model_versions", "aliases", "alias_targets", "alias_moves"):
        op.execute(
            f"CREATE POLICY tp_team_shared ON {table} FOR SELECT TO tp_team USING (EXISTS ("  # noqa: S608 - of constants
            f"SELECT FROM models WHERE models.team_id = {table}.team_id AND models.id = {table}.model_id "
            f"AND models.visibility <> 'team'))"
        )


def _unforced(table: str, statement: str) -> None:
    """Run a statement over the rows of all teams: a login that is not a superuser is held to policies as an owner."""
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(statement)
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
