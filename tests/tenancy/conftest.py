"""A team to be robbed, a team that tries, and four doors to try at: with both locks, with either alone, with none.

The locks are the queries' own filters, which tests/launcher.py can take out of a process, and row-level security, which
a policy made here lets the sessions of marked processes pass.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from service.cli.local import LocalStack, free_port
from tests.stack import Platform
from tests.tenancy.world import SHARED_MODEL, Door, Tenant, admin_url, tables_of_teams

# libpq's own variable for a setting that means nothing to our queries (and PGOPTIONS is taken): it marks a session.
MARK = ["env", "PGGEQO=off"]
IS_MARKED = sql.SQL("current_setting('geqo') = 'off'")


@pytest.fixture(scope="session")
def tenants(platform: Platform, workers: LocalStack) -> tuple[Tenant, Tenant]:
    """Both at once, because most of what making them takes is waiting."""
    victim = Tenant(platform, "zephyr", budget="7654.32", models=["zephyr-bot", SHARED_MODEL, SHARED_MODEL])
    intruder = Tenant(platform, "magpie", budget="1000.00", models=["magpie-bot", SHARED_MODEL])
    return victim.await_end(), intruder.await_end()


@pytest.fixture(scope="session")
def victim(tenants: tuple[Tenant, Tenant]) -> Tenant:
    return tenants[0]


@pytest.fixture(scope="session")
def intruder(tenants: tuple[Tenant, Tenant]) -> Tenant:
    return tenants[1]


@pytest.fixture(scope="session")
def both_locks(platform: Platform) -> Door:
    """The API as it is."""
    return Door(platform.stack.api_url)


@pytest.fixture(scope="module")
def rows_alone(platform: Platform) -> Iterator[Door]:
    """An API whose queries have lost their own filters: row-level security alone keeps teams apart."""
    with _api(platform.stack, "rows-alone", mutations='["no_team_filter"]') as door:
        yield door


@pytest.fixture(scope="module")
def queries_alone(platform: Platform, _marked_pass: None) -> Iterator[Door]:
    """An API that row-level security lets see and write all rows: the queries' own filters alone keep teams apart."""
    with _api(platform.stack, "queries-alone", *MARK) as door:
        yield door


@pytest.fixture(scope="module")
def no_lock(platform: Platform, _marked_pass: None) -> Iterator[Door]:
    """An API with neither, to know that each lock was really off."""
    with _api(platform.stack, "no-lock", *MARK, mutations='["no_team_filter"]') as door:
        yield door


@contextmanager
def _api(stack: LocalStack, name: str, *prefix: str, mutations: str = "[]") -> Iterator[Door]:
    port = free_port()
    command = [*prefix, sys.executable, "-m", "tests.launcher", "api", f'{{"mutate": {mutations}}}']
    stack.start_api(name, port=port, launcher=command)
    yield Door(f"http://127.0.0.1:{port}")
    stack.processes.stop(name)


@pytest.fixture(scope="module")
def _marked_pass(platform: Platform) -> Iterator[None]:
    """While a module runs. Other tests look at these tables' policies, and they shall find none of ours."""
    with psycopg.connect(admin_url(platform.stack), autocommit=True) as connection:
        tables = [sql.Identifier(table) for table in tables_of_teams(connection)]
        try:
            for table in tables:
                connection.execute(sql.SQL("CREATE POLICY marked ON {} TO tp_team USING ({})").format(table, IS_MARKED))
            yield
        finally:
            for table in tables:
                connection.execute(sql.SQL("DROP POLICY IF EXISTS marked ON {}").format(table))


@pytest.fixture(params=["both_locks", "rows_alone", "queries_alone"])
def door(request: pytest.FixtureRequest) -> Door:
    """Each of those that must hold."""
    found: Door = request.getfixturevalue(request.param)
    return found
