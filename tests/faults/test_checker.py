"""The checker of the fault matrix can fail: whatever breaks an invariant, it says which."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.orm import Session

from service.jobs import State, progress
from service.jobs.models import Job
from service.kit import ids, work
from tests.conftest import Launch
from tests.faults.checker import Broken, Run, check
from tests.faults.invariants import INVARIANTS
from tests.jobs.factories import Desk
from tests.stack import conversations

COURSE = (State.UPLOADING, State.SUBMITTING, State.VALIDATING_FILES, State.RUNNING)


@dataclass
class World:
    """A team whose one job has succeeded, another whose job was cancelled in time, and what everybody knows of them."""

    url: str
    log: dict[str, Any]
    history: list[dict[str, Any]]
    done: Job
    cancelled: Job

    def judged(self, *changes: str, run: Run | None = None) -> Broken:
        """What the checker finds after these statements, none of which stays."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")  # no trigger, no foreign key objects
            for change in changes:
                connection.execute(
                    change.replace("DONE", f"'{self.done.id}'").replace("CANCELLED", f"'{self.cancelled.id}'")
                )
            found = check(connection, self.log, self.history, run or Run())
            connection.rollback()
        return found


@pytest.fixture(scope="module")
def good(launch: Launch) -> Iterator[World]:
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        url = stack.postgres.url(stack.database).replace("postgresql+psycopg", "postgresql")
        desks = Desk(), Desk()
        jobs = [desk.submit(desk.shelf.checked(conversations())) for desk in desks]
        keys = [uuid4().hex for _ in jobs]
        with psycopg.connect(url, autocommit=True) as connection:
            for job, key in zip(jobs, keys, strict=True):
                answer = json.dumps({"id": ids.show("job", job.id)})
                connection.execute(
                    "INSERT INTO idempotency_keys (team_id, key, fingerprint, answer) VALUES (%s, %s, '', %s)",
                    [job.team_id, key, answer],
                )
        desks[0].write(jobs[0], lambda session, job: _succeed(session, job, desks[0]))
        desks[1].write(jobs[1], lambda session, job: progress.end_unbilled(
            session, job, State.CANCELLED, "Not needed.", desks[1].at
        ))  # fmt: skip
        done, cancelled = (desk.row(job) for desk, job in zip(desks, jobs, strict=True))
        yield World(url, _log(done), _history([done, cancelled], keys), done, cancelled)


def _succeed(session: Session, job: Job, desk: Desk) -> None:
    for state in COURSE:
        progress.enter(session, job, state, "On its way.", desk.at)
    job.provider_job_id, job.fine_tuned_model, job.trained_tokens = "ftjob-1", "ft:it", job.billed_tokens
    progress.end_at_provider(session, job, State.SUCCEEDED, "Done.", desk.at)
    work.finish(job)


def _log(done: Job) -> dict[str, Any]:
    assert done.cost is not None
    remote = {
        "id": "ftjob-1", "metadata": {"tuneplane_submission": done.submit_key}, "status": "succeeded",
        "created_at": 1.0, "cancelled_at": None, "cost_units": str(done.cost * 1_000_000),
    }  # fmt: skip
    return {"jobs": [remote]}


def _history(jobs: list[Job], keys: list[str]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for job, key in zip(jobs, keys, strict=True):
        told = {"process": "client", "team": str(job.team_id), "key": key}
        shown = ids.show("job", job.id)
        lines += [
            {**told, "op": "submit", "phase": "invoke"},
            {**told, "op": "submit", "phase": "info"},
            {**told, "op": "submit", "phase": "invoke"},
            {**told, "op": "submit", "phase": "ok", "job": shown},
            {**told, "op": "read", "phase": "ok", "job": shown, "state": "queued"},
            {**told, "op": "read", "phase": "ok", "job": shown, "state": job.state},
            {**told, "op": "event", "phase": "ok", "job": shown, "seq": 1},
            {**told, "op": "event", "phase": "ok", "job": shown, "seq": 2},
        ]
    return lines


def test_nothing_is_wrong_with_a_good_world(good: World) -> None:
    assert good.judged() == {one.name: [] for one in INVARIANTS}


@pytest.mark.parametrize(
    ("invariant", "change"),
    [
        ("I1", "UPDATE jobs SET state = 'running', due_at = now() WHERE id = DONE"),
        ("I1", "UPDATE jobs SET state = 'running', due_at = NULL WHERE id = DONE"),
        ("I1", "UPDATE jobs SET due_at = now() WHERE id = DONE"),
        ("I2", "UPDATE jobs SET provider_job_id = 'ftjob-2' WHERE id = DONE"),
        ("I2", "UPDATE jobs SET submit_key = 'tp1_other' WHERE id = DONE"),
        ("I3", "UPDATE budget_months SET reserved = reserved + 1"),
        ("I3", "UPDATE budget_months SET spent = spent + 1"),
        ("I3", "UPDATE budget_months SET base_amount = 0"),
        ("I4", "UPDATE reservations SET state = 'held' WHERE job_id = CANCELLED"),
        ("I4", "UPDATE jobs SET state = 'running' WHERE id = DONE"),
        ("I4", "DELETE FROM jobs WHERE id = CANCELLED"),
        ("I5", "ALTER TABLE ledger_entries DISABLE TRIGGER USER"),
        ("I5", "UPDATE ledger_entries SET amount = amount * 2"),
        ("I6", "UPDATE job_events SET team_id = (SELECT team_id FROM jobs WHERE id = CANCELLED) WHERE job_id = DONE"),
        ("I6", "UPDATE reservations SET team_id = (SELECT team_id FROM jobs WHERE id = CANCELLED) WHERE job_id = DONE"),
        ("I7", "DELETE FROM job_events WHERE job_id = DONE AND seq = 2"),
        ("I7", "UPDATE jobs SET events_count = events_count + 1 WHERE id = DONE"),
        ("I7", """UPDATE job_events SET data = '{"state": "succeeded"}' WHERE job_id = DONE AND seq = 2"""),
        ("I7", "UPDATE jobs SET state = 'failed' WHERE id = DONE"),
        ("I8", "DELETE FROM events WHERE type = 'job.succeeded'"),
        (
            "I8",
            "INSERT INTO events SELECT gen_random_uuid(), team_id, type, data, at FROM events WHERE type LIKE 'job.s%'",
        ),
        ("I9", "UPDATE jobs SET lease_until = now() - interval '1 hour', due_at = now() WHERE id = DONE"),
        ("I10", "DELETE FROM jobs WHERE id = CANCELLED"),
        ("I10", "DELETE FROM idempotency_keys"),
        ("I12", "UPDATE ledger_entries SET amount = amount + 0.0000000001"),
        ("I12", "UPDATE jobs SET cost = 0 WHERE id = DONE"),
        ("I12", "UPDATE jobs SET state = 'running', attention = 'lost', reserved = 0 WHERE id = DONE"),
    ],
)
def test_a_broken_row_is_found(good: World, invariant: str, change: str) -> None:
    assert good.judged(change)[invariant]


def test_a_bill_booked_twice_is_found(good: World) -> None:
    found = good.judged(
        "ALTER TABLE ledger_entries DROP CONSTRAINT uq_ledger_entries_ext_ref",
        "CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM ledger_entries",
        "UPDATE copied SET id = gen_random_uuid(), seq = seq + 1000000",
        "INSERT INTO ledger_entries OVERRIDING SYSTEM VALUE SELECT * FROM copied",
    )
    assert found["I5"]
    assert found["I3"]


def second(log: dict[str, Any], **facts: Any) -> None:
    log["jobs"].append({**log["jobs"][0], "id": "ftjob-2", **facts})


@pytest.mark.parametrize(
    ("invariant", "change"),
    [
        ("I2", second),
        ("I2", lambda log: second(log, status="cancelled", cancelled_at=2.0, cost_units="0")),
        ("I2", lambda log: second(log, metadata={"tuneplane_submission": "tp1_nobodys"})),
        ("I2", lambda log: log["jobs"].clear()),
        ("I12", lambda log: log["jobs"][0].update(cost_units="1")),
    ],
)
def test_what_the_provider_has_and_we_do_not_is_found(
    good: World, invariant: str, change: Callable[[dict[str, Any]], None]
) -> None:
    with changed(good) as world:
        change(world.log)
        assert world.judged()[invariant]


def test_beyond_the_quiet_period_a_second_job_must_be_cancelled_and_told(good: World) -> None:
    beyond = Run(beyond_quiet=True)
    told = (
        "INSERT INTO stray_jobs (connection_id, provider_job_id, kind, job_id) "
        "SELECT connection_id, 'ftjob-2', 'duplicate', id FROM jobs WHERE id = DONE"
    )
    with changed(good) as world:
        second(world.log, status="cancelled", cancelled_at=2.0, cost_units="0")
        assert world.judged(run=beyond)["I2"], "nobody was told"
        assert not any(world.judged(told, run=beyond).values())
        world.log["jobs"][1]["status"] = "running"
        assert world.judged(told, run=beyond)["I2"], "it still runs"


SUBMIT = {"process": "client", "op": "submit", "job": None}


@pytest.mark.parametrize(
    ("invariant", "lines"),
    [
        ("I10", lambda world: [{**SUBMIT, "phase": "ok", "team": team(world), "key": "k", "job": str(uuid4())}]),
        ("I10", lambda world: [{**SUBMIT, "phase": "ok", "team": team(world), "key": key(world), "job": str(uuid4())}]),
        ("I7", lambda world: [{**world.history[5], "state": "running"}]),
        ("I7", lambda world: [{**world.history[6], "seq": 4}]),
        ("I7", lambda world: [world.history[6]]),
    ],
)
def test_what_a_client_was_told_and_is_not_so_is_found(
    good: World, invariant: str, lines: Callable[[World], list[dict[str, Any]]]
) -> None:
    with changed(good) as world:
        world.history += lines(world)
        assert world.judged()[invariant]


def test_a_job_whose_request_was_refused_is_found(good: World) -> None:
    with changed(good) as world:
        world.history = [line for line in world.history if line["phase"] == "invoke"]
        world.history += [{**line, "phase": "fail"} for line in world.history]
        assert world.judged()["I10"]


def team(world: World) -> str:
    return str(world.done.team_id)


def key(world: World) -> str:
    return str(world.history[0]["key"])


@contextmanager
def changed(good: World) -> Iterator[World]:
    yield World(good.url, deepcopy(good.log), list(good.history), good.done, good.cancelled)


@pytest.mark.parametrize("cost_units", [None, "1"])
def test_the_program_says_which_and_ends_accordingly(good: World, tmp_path: Path, cost_units: str | None) -> None:
    log = deepcopy(good.log)
    if cost_units:
        log["jobs"][0]["cost_units"] = cost_units
    (tmp_path / "log.json").write_text(json.dumps(log))
    (tmp_path / "client.jsonl").write_text("".join(json.dumps(line) + "\n" for line in good.history))
    command = [sys.executable, "-m", "tests.faults.checker", good.url, "--emulator", str(tmp_path / "log.json")]
    done = subprocess.run([*command, "--histories", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if cost_units else 0), done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if " BROKEN: " in line] == (
        ["I12"] if cost_units else []
    )
    assert len(done.stdout.splitlines()) == len(INVARIANTS) + 1
