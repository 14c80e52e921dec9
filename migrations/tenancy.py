"""What a table needs beside its columns: an owner, row-level security, grants, and a lock against rewriting history.

Roles belong to the whole server, so making them must survive a second database doing the same at the same moment.
"""

from collections.abc import Mapping, Sequence

from alembic import op

OWNER = "tp_owner"
LOGIN = "tp_app"
ROLES = ("tp_team", "tp_finance", "tp_operator", "tp_worker", "tp_auth", "tp_resolver")
CLAIMED = "due_at, lease_until, hinted_at, fence, attempts, attention, attention_since"
"""All a worker may change in a table of work before it has locked itself into the row's team."""
_OWN_TEAM = "nullif(current_setting('app.team_id', true), '')::uuid"  # after a commit the setting is '', not null


def create_roles() -> None:
    """The owner of all tables, the login, and the roles it may take for one transaction but never has by itself."""
    for role in (OWNER, LOGIN, *ROLES):
        login = "LOGIN" if role == LOGIN else "NOLOGIN"
        op.execute(
            f"DO $$ BEGIN CREATE ROLE {role} {login} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    for role in ROLES:
        op.execute(
            f"DO $$ BEGIN GRANT {role} TO {LOGIN} WITH INHERIT FALSE, SET TRUE; "
            "EXCEPTION WHEN unique_violation OR internal_error THEN NULL; END $$"
        )
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    op.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
    op.execute(
        """
        CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$
        """
    )


def protect(
    table: str, grants: Mapping[str, str], *, across_teams: Sequence[str] = (), team_column: str = "team_id"
) -> None:
    """Give `table` to the owner, force row-level security and grant each role what `grants` says.

    A table with a team_id shows the role tp_team only its own team's rows; the roles in `across_teams` see all of them.
    (`team_column` is another only for `teams` itself.) `grants` maps a role to a privilege list as SQL spells it:
    `{"tp_team": "SELECT, INSERT", "tp_worker": "SELECT, UPDATE (due_at)"}`.
    """
    _own_and_force(table)
    for role, privileges in grants.items():
        op.execute(f"GRANT {privileges} ON {table} TO {role}")
        sees = "true" if role in across_teams else f"{team_column} = {_OWN_TEAM}"
        op.execute(f"CREATE POLICY {role} ON {table} TO {role} USING ({sees}) WITH CHECK ({sees})")


def protect_shared(table: str, grants: Mapping[str, str]) -> None:
    """The same for a table without a team: every role named sees all rows."""
    protect(table, grants, across_teams=tuple(grants))


def append_only(table: str) -> None:
    """Whatever the privileges: no row of `table` is ever changed, deleted or truncated."""
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
    )


def _own_and_force(table: str) -> None:
    op.execute(f"ALTER TABLE {table} OWNER TO {OWNER}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
