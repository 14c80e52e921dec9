"""What Postgres' own catalog says of the locks between teams. A table or grant made tomorrow is held to it too.

`privileges.txt` is every privilege the service has. Who changes a grant changes that file, and somebody reviews it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from migrations.tenancy import LOGIN, OWNER, ROLES
from service.cli.local import LocalStack

REVIEWED: Final = Path(__file__).with_name("privileges.txt")
APPEND_ONLY: Final = {
    "alias_moves", "audit_entries", "budget_alerts", "events", "job_checkpoints", "job_events", "job_metrics",
    "ledger_entries", "period_seals", "prices", "sealed_days",
}  # fmt: skip
ALEMBICS_OWN: Final = "alembic_version"  # which schema this is; no role of the service may so much as read it
# A team's value, or nothing: the setting is absent in a fresh session and empty after a transaction that had it.
OWN_TEAM: Final = "(NULLIF(current_setting('app.team_id'::text, true), ''::text))::uuid"

# Unique over all teams on purpose. A user can choose none of these values, so none tells whether another team has it.
UNIQUE_ACROSS_TEAMS: Final = {
    "uq_api_keys_key_id": "the random public part of a key is looked up before it is known whose key it is",
    "uq_jobs_submit_key": "ours, made of the job's id: the one name of the job at a provider that teams share",
    "uq_jobs_connection_id_provider_job_id": "given by the provider: one job there is one job here, in whatever team",
    "uq_ledger_entries_ext_ref": "made of the provider's id: no bill is booked twice, in whatever team",
    "uq_ledger_entries_seq": "counted by the database: the order of all entries",
    "uq_usage_days_line": "told by the provider and written by operators",
    "uq_usage_owners_connection_id_kind_external_id": "set by operators and finance, never by a team",
}

# What a team also reads, and only reads: models that others share with it, by a second policy.
SHARED: Final = {"models", "model_shares", "model_versions", "aliases", "alias_targets", "alias_moves"}

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Relation:
    """What lies in the schema, bar indexes, counters and what is Alembic's own."""

    name: str
    is_table: bool
    owner: str
    is_secured: bool
    is_forced: bool
    has_policy: bool
    has_team: bool


class Catalog:
    """Questions to the catalog, as the superuser who sees all of it."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def ask(self, query: LiteralString, *parameters: object) -> list[Row]:
        return self._connection.execute(query, parameters).fetchall()

    def relations(self) -> list[Relation]:
        found = self.ask(
            """
            SELECT relname, relkind IN ('r', 'p'), relowner::regrole::text, relrowsecurity, relforcerowsecurity,
                   EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid),
                   EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'team_id')
            FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I', 'S') AND relname <> %s
            """,
            ALEMBICS_OWN,
        )
        return [Relation(*row) for row in found]

    def team_owned(self) -> set[str]:
        """Tables with a team_id, and the teams themselves."""
        return {one.name for one in self.relations() if one.has_team} | {"teams"}


@pytest.fixture
def catalog(database: LocalStack) -> Iterator[Catalog]:
    with psycopg.connect(plain(database.environment["TUNEPLANE_ADMIN_DATABASE_URL"]), autocommit=True) as connection:
        yield Catalog(connection)


@pytest.fixture
def login(database: LocalStack) -> Iterator[psycopg.Connection[Row]]:
    """What the service itself logs in as, before it has taken a role."""
    with psycopg.connect(plain(database.environment["TUNEPLANE_DATABASE_URL"])) as connection:
        yield connection


def everything_in(table: str) -> sql.Composed:
    return sql.SQL("SELECT FROM {}").format(sql.Identifier(table))


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


# -------------------------------------------------------------------------------------------------------------- tables
def test_every_table_is_the_owners_and_row_level_security_is_enabled_and_forced(catalog: Catalog) -> None:
    relations = catalog.relations()
    assert len(relations) >= 19
    for one in relations:
        assert one.is_secured and one.is_forced and one.has_policy, one  # noqa: PT018 - the one row says which
        assert one.owner == OWNER, one


def test_everything_is_a_table_in_the_one_schema(catalog: Catalog) -> None:
    """A view would be read with its owner's eyes, a SECURITY DEFINER function would run with its owner's rights."""
    assert [one for one in catalog.relations() if not one.is_table] == []
    assert catalog.ask("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace") == []
    schemas = catalog.ask("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'")
    assert schemas == [("public",)]


def test_the_team_role_is_held_to_its_team_wherever_there_is_one(catalog: Catalog) -> None:
    told = catalog.ask(
        "SELECT polrelid::regclass::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) "
        "FROM pg_policy WHERE 'tp_team'::regrole = ANY (polroles) AND polname <> 'tp_team_shared'"
    )
    owned = catalog.team_owned()
    assert {table for table, *_ in told} >= owned, "a team's table without a policy for its team"
    for table, *expressions in told:
        if table in owned:
            expected = f"({'id' if table == 'teams' else 'team_id'} = {OWN_TEAM})"
            assert expressions == [expected, expected], table


def test_policies_name_their_role_and_none_is_for_everybody(catalog: Catalog) -> None:
    told = catalog.ask(
        "SELECT polrelid::regclass::text, polname, polroles::regrole[]::text[] FROM pg_policy "
        "WHERE polname <> 'tp_team_shared'"
    )
    assert [(table, policy) for table, policy, roles in told if roles != [policy] or policy not in ROLES] == []


def test_only_models_are_shared_and_only_for_reading(catalog: Catalog) -> None:
    told = catalog.ask(
        "SELECT polrelid::regclass::text, polcmd::text, polroles::regrole[]::text[] FROM pg_policy "
        "WHERE polname = 'tp_team_shared'"
    )
    assert sorted(told) == sorted((table, "r", ["tp_team"]) for table in SHARED)


# ---------------------------------------------------------------------------------------------------------- constraints
def test_a_foreign_key_between_two_teams_tables_carries_the_team(catalog: Catalog) -> None:
    told = catalog.ask(
        """
        SELECT conname, conrelid::regclass::text, confrelid::regclass::text,
               array_agg(own.attname::text ORDER BY place), array_agg(other.attname::text ORDER BY place)
        FROM pg_constraint, unnest(conkey, confkey) WITH ORDINALITY AS pairs (key, foreign_key, place),
             pg_attribute own, pg_attribute other
        WHERE contype = 'f' AND own.attrelid = conrelid AND own.attnum = key
              AND other.attrelid = confrelid AND other.attnum = foreign_key
        GROUP BY 1, conrelid, confrelid
        """
    )
    owned = catalog.team_owned()
    between = [row for row in told if row[1] in owned and row[2] in owned]
    assert len(between) >= 15
    for name, _, target, own, other in between:
        pair = ("team_id", "id" if target == "teams" else "team_id")
        assert pair in zip(own, other, strict=True), f"{name}: a row could point at another team's"


def test_a_unique_value_of_a_teams_table_is_unique_within_its_team(catalog: Catalog) -> None:
    """Otherwise a conflict would tell a team what another one has. An opaque id is nothing one can guess."""
    told = catalog.ask(
        """
        SELECT index.relname, indrelid::regclass::text,
               ARRAY (SELECT attname::text FROM unnest(indkey::int2[]) AS key JOIN pg_attribute ON attnum = key
                      WHERE attrelid = indrelid), 0 = ANY (indkey::int2[])
        FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
        WHERE indisunique AND index.relnamespace = 'public'::regnamespace
        """
    )
    owned = catalog.team_owned() - {"teams"}
    across = {
        name
        for name, table, columns, has_expression in told
        if table in owned and ("team_id" not in columns or has_expression) and columns != ["id"]
    }
    assert across == set(UNIQUE_ACROSS_TEAMS)


# --------------------------------------------------------------------------------------------------------------- roles
def test_no_role_of_ours_can_bypass_anything(catalog: Catalog) -> None:
    told = catalog.ask(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin "
        "FROM pg_roles WHERE starts_with(rolname, 'tp_')"
    )
    nothing = [False] * 6
    assert {name: facts for name, *facts in told} == {
        **dict.fromkeys((OWNER, *ROLES), nothing),
        LOGIN: [*nothing[:-1], True],
    }


def test_the_login_may_take_each_role_but_has_none_by_itself_and_never_the_owners(catalog: Catalog) -> None:
    told = catalog.ask(
        "SELECT member::regrole::text, roleid::regrole::text, inherit_option, set_option, admin_option "
        "FROM pg_auth_members WHERE 'tp_' IN (left(member::regrole::text, 3), left(roleid::regrole::text, 3))"
    )
    assert sorted(told) == sorted((LOGIN, role, False, True, False) for role in ROLES)


def test_the_login_owns_nothing_and_sees_nothing_until_it_takes_a_role(
    catalog: Catalog, login: psycopg.Connection[Row]
) -> None:
    owned = "SELECT classid::regclass, objid FROM pg_shdepend WHERE deptype = 'o' AND refobjid = %s::regrole"
    for role in (LOGIN, *ROLES):
        assert catalog.ask(owned, role) == []
    for table in [*(one.name for one in catalog.relations()), ALEMBICS_OWN]:
        with pytest.raises(InsufficientPrivilege), login.transaction():
            login.execute(everything_in(table))


def test_nobody_of_ours_makes_schemas_or_tables(catalog: Catalog) -> None:
    for role in (LOGIN, *ROLES):
        ((makes_schemas, makes_tables),) = catalog.ask(
            "SELECT has_database_privilege(%s, current_database(), 'CREATE'), "
            "has_schema_privilege(%s, 'public', 'CREATE')", role, role
        )  # fmt: skip
        assert not makes_schemas, role
        assert not makes_tables, role


def test_a_role_without_a_team_sees_no_teams_rows(catalog: Catalog, login: psycopg.Connection[Row]) -> None:
    """Whether the setting was never made or was left empty by the transaction before."""
    readable = {line.split()[0] for line in privileges(catalog) if re.search(r" tp_team +own .*SELECT", line)}
    assert len(readable) >= 13
    for setting in ("", None):
        for table in readable:
            with login.transaction(force_rollback=True):
                login.execute("SELECT set_config('role', 'tp_team', true)")
                if setting is not None:
                    login.execute("SELECT set_config('app.team_id', %s, true)", [setting])
                assert login.execute(everything_in(table)).fetchall() == [], table


# ---------------------------------------------------------------------------------------------------------- privileges
def test_every_privilege_has_been_reviewed(catalog: Catalog) -> None:
    reviewed = [line for line in REVIEWED.read_text().splitlines() if line and not line.startswith("#")]
    assert privileges(catalog) == reviewed, f"change {REVIEWED.name} too, and let somebody look at it"


def privileges(catalog: Catalog) -> list[str]:
    """One line for each table and role: whose rows, and which privileges on which columns (none named: on all)."""
    told = catalog.ask(
        """
        WITH acl (relation, grantee, privilege, attnum, attname) AS (
            SELECT pg_class.oid, grantee, privilege_type, NULL::int2, NULL::text
            FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace
            UNION ALL
            SELECT attrelid, grantee, privilege_type, attnum, attname
            FROM pg_class, pg_attribute, aclexplode(attacl)
            WHERE attrelid = pg_class.oid AND relnamespace = 'public'::regnamespace
        )
        SELECT relation::regclass::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
               coalesce(CASE pg_get_expr(polqual, polrelid) WHEN 'true' THEN 'all' ELSE 'own' END, 'NONE'),
               privilege, string_agg(attname, ', ' ORDER BY attnum)
        FROM acl LEFT JOIN pg_policy ON polrelid = relation AND grantee = ANY (polroles)
             AND polname <> 'tp_team_shared'
        WHERE grantee <> %s::regrole
        GROUP BY 1, 2, 3, 4
        ORDER BY 1, 2, array_position(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], privilege), 4
        """,
        OWNER,
    )
    return [
        f"{table:<17}{role:<12}{rows:<4}" + ", ".join(f"{what} ({on})" if on else what for *_, what, on in granted)
        for (table, role, rows), granted in groupby(told, key=lambda row: row[:3])
    ]


# --------------------------------------------------------------------------------------------------------- append-only
def test_append_only_tables_have_both_triggers_and_no_privilege_to_rewrite(catalog: Catalog) -> None:
    """The owner has every privilege on its own tables, but nobody can become it, and the triggers stop it too."""
    told = catalog.ask(
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgenabled = 'O' AND tgfoid = 'refuse_rewriting'::regproc"
    )
    assert {definition.partition(" ON public.")[0].partition(" BEFORE ")[2] for _, definition in told} == {
        "DELETE OR UPDATE", "TRUNCATE"
    }  # fmt: skip
    assert sorted(table for table, _ in told) == sorted([*APPEND_ONLY] * 2)
    for line in privileges(catalog):
        if line.split()[0] in APPEND_ONLY:
            assert not re.search("UPDATE|DELETE|TRUNCATE", line), line


@pytest.mark.parametrize("rewriting", ["UPDATE prices SET amount = 0", "DELETE FROM prices", "TRUNCATE prices CASCADE"])
def test_not_even_the_superuser_rewrites_a_price(quiet: LocalStack, rewriting: LiteralString) -> None:
    """Of the append-only tables the one with rows in every database; the triggers are the same on all three."""
    url = plain(quiet.environment["TUNEPLANE_ADMIN_DATABASE_URL"])
    with psycopg.connect(url) as connection, pytest.raises(RestrictViolation, match="append-only"):
        connection.execute(rewriting)
