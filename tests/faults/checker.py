"""Whether the invariants hold: a program of its own that knows nothing of the service's code.

    python -m tests.faults.checker DATABASE_URL --emulator URL_OR_FILE --histories FOLDER

It reads the database (plain SQL as its superuser), the emulator's log, what the clients wrote down about their requests
(tests/faults/clients.py), and the states and arrows of docs/states.md. Everything is put into temporary tables, so each
invariant is a query for what breaks it (tests/faults/invariants.py). Ends with status 1 when one is broken.
"""

import argparse
import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from typeid import TypeID

from tests.faults.invariants import FOREIGN_KEYS, INVARIANTS, LEASES, WORK_TABLES

KEY = "tuneplane_submission"
STATES = Path(__file__).parents[2] / "docs" / "states.md"
_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of the run that is judged.

    `ended`: every job must have come to an end. `beyond_quiet`: the list lagged beyond the quiet period, so that a
    second job may have been made; then it must have been cancelled and told.
    """

    ended: bool = True
    beyond_quiet: bool = False
    lease_seconds: float = 60.0


Broken = dict[str, list[str]]


def check(
    connection: "psycopg.Connection[Any]", log: dict[str, Any], history: list[dict[str, Any]], run: Run
) -> Broken:
    """What breaks each invariant, by its name; empty lists where it holds. In the connection's present transaction."""
    _tell_run(connection, run)
    _tell_states(connection, STATES.read_text())
    _tell_provider(connection, log)
    _tell_history(connection, history)
    _tell_names(connection)
    broken = {one.name: _found(connection, one.violations) for one in INVARIANTS}
    broken["I6"] += [line for query in _across_teams(connection) for line in _found(connection, query)]
    broken["I9"] += [line for query in _stale_leases(connection) for line in _found(connection, query)]
    return broken


def _found(connection: "psycopg.Connection[Any]", query: Any) -> list[str]:
    return [str(row[0]) for row in connection.execute(query)]


def _tell_run(connection: "psycopg.Connection[Any]", run: Run) -> None:
    connection.execute("CREATE TEMP TABLE run (ended bool, beyond_quiet bool, lease interval) ON COMMIT DROP")
    connection.execute(
        "INSERT INTO run VALUES (%s, %s, %s * interval '1 second')", [run.ended, run.beyond_quiet, run.lease_seconds]
    )


def _tell_states(connection: "psycopg.Connection[Any]", page: str) -> None:
    """The arrows as the documentation draws them; `[*]` is before the first state and after the last."""
    connection.execute("CREATE TEMP TABLE arrows (state text, following text) ON COMMIT DROP")
    _fill(connection, "arrows", re.findall(r"^ +(\S+) --> (\S+)$", page, re.MULTILINE))
    connection.execute("CREATE TEMP TABLE ends ON COMMIT DROP AS SELECT state FROM arrows WHERE following = '[*]'")


def _tell_provider(connection: "psycopg.Connection[Any]", log: dict[str, Any]) -> None:
    connection.execute(
        "CREATE TEMP TABLE remote_jobs (id text, key text, status text, created_at float8, cancelled_at float8, "
        "cost numeric) ON COMMIT DROP"
    )
    rows = [
        (one["id"], (one["metadata"] or {}).get(KEY), one["status"], one["created_at"], one["cancelled_at"],
         one["cost_units"])
        for one in log["jobs"]
    ]  # fmt: skip
    _fill(connection, "remote_jobs", rows)
    connection.execute("UPDATE remote_jobs SET cost = cost / 1000000")


def _tell_history(connection: "psycopg.Connection[Any]", history: list[dict[str, Any]]) -> None:
    connection.execute(
        "CREATE TEMP TABLE history (n int, process text, op text, phase text, team uuid, key text, job uuid, "
        "state text, seq int) ON COMMIT DROP"
    )
    rows = [
        (n, one["process"], one["op"], one["phase"], one["team"] and _uuid(one["team"]), one.get("key"),
         one.get("job") and _uuid(one["job"]), one.get("state"), one.get("seq"))
        for n, one in enumerate(history)
    ]  # fmt: skip
    _fill(connection, "history", rows)


def _tell_names(connection: "psycopg.Connection[Any]") -> None:
    """Jobs by the ids that users, answers and events show."""
    connection.execute("CREATE TEMP TABLE shown (id text PRIMARY KEY, job uuid) ON COMMIT DROP")
    rows = [
        (str(TypeID.from_uuid(suffix=one, prefix="job")), one) for (one,) in connection.execute("SELECT id FROM jobs")
    ]
    _fill(connection, "shown", rows)


def _fill(connection: "psycopg.Connection[Any]", table: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
        for row in rows:
            copy.write_row(row)


def _across_teams(connection: "psycopg.Connection[Any]") -> Iterator[sql.Composed]:
    """A query for each foreign key between tables with a team, whatever columns the key itself compares."""
    for child, parent, pairs in connection.execute(FOREIGN_KEYS).fetchall():
        joined = sql.SQL(" AND ").join(
            sql.SQL("c.{} = p.{}").format(sql.Identifier(one), sql.Identifier(other)) for one, other in pairs
        )
        yield sql.SQL(
            "SELECT {} || ' of team ' || c.team_id || ' belongs to one of team ' || p.team_id "
            "FROM {} c JOIN {} p ON {} WHERE c.team_id IS DISTINCT FROM p.team_id"
        ).format(sql.Literal(child), sql.Identifier(child), sql.Identifier(parent), joined)


def _stale_leases(connection: "psycopg.Connection[Any]") -> Iterator[sql.Composed]:
    for (table,) in connection.execute(WORK_TABLES).fetchall():
        yield sql.SQL(LEASES).format(name=sql.Literal(table), table=sql.Identifier(table))


def _uuid(shown: str) -> UUID:
    """The UUID in a shown id; a UUID stays what it is."""
    return UUID(str(TypeID.from_string(shown).uuid)) if "_" in shown else UUID(shown)


# ------------------------------------------------------------------------------------------------------- the program
def main() -> int:
    asked = _arguments()
    log = json.loads(_text(asked.emulator))
    history = list(_history(asked.histories))
    run = Run(ended=not asked.unfinished, beyond_quiet=asked.beyond_quiet, lease_seconds=asked.lease_seconds)
    with psycopg.connect(asked.database) as connection:
        broken = check(connection, log, history, run)
        for one in INVARIANTS:
            print(_verdict(one.name, one.promise, broken[one.name]))
        jobs = connection.execute("SELECT count(*), count(*) FILTER (WHERE attention IS NOT NULL) FROM jobs").fetchone()
        billed = connection.execute("SELECT coalesce(sum(cost), 0) FROM remote_jobs").fetchone()
    assert jobs
    assert billed
    print(
        f"{jobs[0]} jobs, {jobs[1]} in attention, {len(log['jobs'])} at the provider, billed {billed[0]:f}, "
        f"{len(history)} lines of history"
    )
    return 1 if any(broken.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__.splitlines()[0])
    parser.add_argument("database", help="superuser's URL, as libpq takes it")
    parser.add_argument("--emulator", required=True, help="address of its control side, or a file with its log")
    parser.add_argument("--histories", required=True, type=Path, help="folder of *.jsonl that clients wrote")
    parser.add_argument("--lease-seconds", type=float, default=60.0)
    parser.add_argument("--unfinished", action="store_true", help="jobs may still be under way")
    parser.add_argument("--beyond-quiet", action="store_true", help="the list lagged beyond the quiet period")
    return parser.parse_args()


def _text(place: str) -> str:
    if not place.startswith("http"):
        return Path(place).read_text()
    with urllib.request.urlopen(f"{place}/_emulator/log", timeout=60) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


def _history(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            yield json.loads(line)


def _verdict(name: str, promise: str, broken: list[str]) -> str:
    if not broken:
        return f"{name} holds: {promise}"
    more = f"; and {len(broken) - _SHOWN_MAX} more" if len(broken) > _SHOWN_MAX else ""
    return f"{name} BROKEN: {promise}: {'; '.join(broken[:_SHOWN_MAX])}{more}"


if __name__ == "__main__":
    sys.exit(main())
