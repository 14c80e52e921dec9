"""Row-level security by itself, table by table, asked in plain SQL: what a query could do that forgot its team."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from service import tenants
from service.cli.local import LocalStack
from service.kit.db import read_only
from service.kit.identity import Actor, DbRole
from service.kit.ids import read
from service.tenants.errors import TeamNotFound
from tests.tenancy.world import Tenant, admin_url, rows_of, tables_of_teams, team_column

Connection = psycopg.Connection[tuple[object, ...]]


def id_of(tenant: Tenant) -> UUID:
    return read("team", tenant.team.id)


def shown_to_the_company(stack: LocalStack) -> set[object]:
    """Teams that show a model of theirs to all."""
    with psycopg.connect(admin_url(stack)) as connection:
        return {team for (team,) in connection.execute("SELECT team_id FROM models WHERE visibility = 'company'")}


@pytest.fixture
def as_intruder(stack: LocalStack, intruder: Tenant) -> Iterator[Connection]:
    """The service's own login in the role of a team, the intruder's."""
    with psycopg.connect(stack.environment["TUNEPLANE_DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute("SELECT set_config('app.team_id', %s, false)", [str(id_of(intruder))])
        connection.execute("SET ROLE tp_team")
        connection.commit()
        yield connection


@pytest.fixture(scope="module")
def tables(stack: LocalStack) -> list[str]:
    with psycopg.connect(admin_url(stack)) as connection:
        return tables_of_teams(connection)


def test_a_team_sees_its_own_rows_and_no_others(
    stack: LocalStack, as_intruder: Connection, tables: list[str], victim: Tenant, intruder: Tenant
) -> None:
    theirs, ours = rows_of(stack, victim.team.id), rows_of(stack, intruder.team.id)
    shown = shown_to_the_company(stack)  # other tests' models
    assert not shown & {id_of(victim), id_of(intruder)}
    assert [table for table in tables if not theirs[table]] == [], "a table without anything to protect proves nothing"
    for table in tables:
        query = sql.SQL("SELECT {} FROM {}").format(team_column(table), sql.Identifier(table))
        try:
            with as_intruder.transaction():
                seen = as_intruder.execute(query).fetchall()
        except InsufficientPrivilege:
            assert table in ("audit_entries", "events"), f"a team may not read {table} at all?"
            continue
        assert [row for row in seen if row[0] not in shown] == [(id_of(intruder),)] * len(ours[table]), table


def test_no_row_is_written_for_another_team(as_intruder: Connection, tables: list[str], victim: Tenant) -> None:
    """The policy is checked before any constraint, so that not even what a row lacks is told."""
    refused = []
    for table in tables:
        statement = sql.SQL("INSERT INTO {} ({}) VALUES (%s)").format(sql.Identifier(table), team_column(table))
        with pytest.raises(InsufficientPrivilege) as error, as_intruder.transaction():
            as_intruder.execute(statement, [id_of(victim)])
        refused.append("row-level security" in str(error.value))
    # Teams, budgets, limits, usage and its owners and sums of costs are an operator's to add to, turns a worker's.
    assert sum(refused) >= len(tables) - 8


def test_no_row_is_given_away_or_taken(
    stack: LocalStack, as_intruder: Connection, tables: list[str], victim: Tenant, intruder: Tenant
) -> None:
    before = rows_of(stack, victim.team.id)
    for table in tables:
        names = {"table": sql.Identifier(table), "team": team_column(table)}
        give = sql.SQL("UPDATE {table} SET {team} = %s WHERE {team} = %s").format(**names)
        with pytest.raises(InsufficientPrivilege), as_intruder.transaction():
            as_intruder.execute(give, [id_of(victim), id_of(intruder)])
        try:
            with as_intruder.transaction():
                taken = as_intruder.execute(give, [id_of(intruder), id_of(victim)])
                assert taken.rowcount == 0, table
        except InsufficientPrivilege:
            continue  # nor may a team change any row's team here
    assert rows_of(stack, victim.team.id) == before


def test_a_team_is_not_found_by_another_even_where_nobody_says_within(victim: Tenant, intruder: Tenant) -> None:
    """`find_team` is asked `within` the key's team, by its id: a filter that `no_team_filter` does not take out."""
    actor = Actor(db_role=DbRole.TEAM, name="test", team_id=id_of(intruder))
    with read_only(actor) as session:
        assert tenants.find_team(session, intruder.team.slug).slug == intruder.team.slug
        for asked in (victim.team.slug, victim.team.id):
            with pytest.raises(TeamNotFound):
                tenants.find_team(session, asked)
