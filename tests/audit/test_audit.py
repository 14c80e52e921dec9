"""The audit trail tells the truth, and nobody rewrites it."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service import audit
from service.cli.local import LocalStack
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, RESOLVER, SYSTEM, WORKER, Actor, DbRole
from service.kit.ids import new_id

pytestmark = pytest.mark.usefixtures("database")

FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")


def somebody(team_id: UUID | None = None) -> Actor:
    return Actor(db_role=DbRole.TEAM, name="key_x", team_id=team_id or new_id(), request_id="req_1", ip="192.0.2.7")


def note(actor: Actor, **facts: Any) -> str:
    """Write an entry as this actor; returns the object it is about."""
    about = facts.pop("object_id", uuid4().hex)
    with unit_of_work(actor) as session:
        audit.record(session, actor, "thing.changed", object_type="thing", object_id=about, **facts)
    return str(about)


def entries(about: str) -> list[dict[str, Any]]:
    with read_only(CLI) as session:
        found = session.execute(
            text("SELECT * FROM audit_entries WHERE object_id = :about ORDER BY id"), {"about": about}
        )
        return [dict(row) for row in found.mappings()]


def test_an_entry_says_who_did_what_from_where_and_how_it_was_before() -> None:
    actor = somebody()
    (entry,) = entries(note(actor, before={"name": "old"}, after={"name": "new"}))
    assert (entry["actor"], entry["action"], entry["object_type"]) == ("key_x", "thing.changed", "thing")
    assert (entry["team_id"], entry["request_id"], entry["ip"]) == (actor.team_id, "req_1", "192.0.2.7")
    assert (entry["before"], entry["after"]) == ({"name": "old"}, {"name": "new"})


def test_ids_instants_and_decimals_become_json_exactly() -> None:
    some_id = new_id()
    after = {"id": some_id, "at": datetime(2026, 11, 20, tzinfo=UTC), "amount": Decimal("0.1000000001")}
    (entry,) = entries(note(CLI, after=after))
    assert entry["after"] == {"id": str(some_id), "at": "2026-11-20T00:00:00Z", "amount": "0.1000000001"}
    assert entry["before"] is None


def test_an_operators_entry_names_the_team_it_concerns() -> None:
    team = new_id()
    (entry,) = entries(note(CLI, team_id=team))
    assert entry["team_id"] == team


def test_no_entry_stays_of_a_write_that_failed() -> None:
    about = uuid4().hex

    def fail() -> None:
        with unit_of_work(CLI) as session:
            audit.record(session, CLI, "thing.changed", object_type="thing", object_id=about)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert entries(about) == []


def test_a_team_writes_into_its_own_trail_only_and_reads_none() -> None:
    mine = somebody()
    note(mine)
    with pytest.raises(ProgrammingError, match="row-level security"):
        note(mine, team_id=new_id())
    with pytest.raises(ProgrammingError, match="permission denied"), read_only(mine) as session:
        session.execute(text("SELECT * FROM audit_entries"))


REWRITING = [
    "UPDATE audit_entries SET actor = 'somebody else'",
    "DELETE FROM audit_entries",
    "TRUNCATE audit_entries",
    "TRUNCATE audit_entries CASCADE",
]


@pytest.mark.parametrize("rewriting", REWRITING)
@pytest.mark.parametrize("actor", [somebody, lambda: CLI, lambda: SYSTEM, lambda: FINANCE, lambda: WORKER, lambda: AUTH,
                                   lambda: RESOLVER])  # fmt: skip
def test_no_role_may_rewrite_history(actor: Callable[[], Actor], rewriting: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), unit_of_work(actor()) as session:
        session.execute(text(rewriting))


@pytest.mark.parametrize("rewriting", REWRITING)
def test_not_even_the_administrator_rewrites_history(database: LocalStack, rewriting: str) -> None:
    about = note(CLI)
    url = database.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        connection.execute(rewriting)
    assert len(entries(about)) == 1
