"""Turns through the database: who gets a slot that is free, who waits where, and what refusals teach."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event

from bench.turns import end_one, let_wait
from service import connections, jobs
from service.jobs import turns
from service.jobs.models import Job
from service.kit import clock
from service.kit.db import engine, unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from tests.conftest import Launch
from workers.dispatcher import Dispatcher, grant_turns

MODEL, OTHER = "gpt-4o-mini-2024-07-18", "gpt-4.1-nano-2025-04-14"
# Deleting would look up who refers to each job; these are over as if they had never been sent.
_NOBODY_WAITS = """
    UPDATE jobs SET state = 'cancelled', slot_at = NULL, due_at = NULL, submitted_at = NULL, finished_at = NULL
        WHERE state <> 'cancelled';
    DELETE FROM team_turns; DELETE FROM connection_slots; DELETE FROM team_limits
"""
NOISY, QUIET, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


@dataclass
class Queue:
    """The tables alone: jobs are put into them and ended by hand, and the test is the dispatcher."""

    database: psycopg.Connection[Any]
    account: UUID

    def let_wait(self, team: UUID, jobs: int, model: str = MODEL) -> list[UUID]:
        return let_wait(self.database, account=self.account, team=team, jobs=jobs, model=model)

    def end_one(self) -> None:
        end_one(self.database)

    def allow(self, slots: int | None) -> None:
        self.database.execute("UPDATE connections SET slots = %s", [slots])

    def under_way(self) -> list[UUID]:
        """The teams that hold slots, one entry for each."""
        return [row[0] for row in self.database.execute("SELECT team_id FROM jobs WHERE slot_at IS NOT NULL")]

    def granted(self, model: str = MODEL) -> list[UUID]:
        """The teams that one more pass lets go, in order."""
        with unit_of_work(WORKER) as session:
            return [turn.team for turn in turns.grant(session) if turn.base_model == model]

    def job(self, job: UUID) -> Job:
        team = self.database.execute("SELECT team_id FROM jobs WHERE id = %s", [job]).fetchone()
        assert team is not None
        with unit_of_work(worker_for(team[0])) as session:
            return session.get_one(Job, job)

    def waiting(self, job: UUID) -> jobs.Waiting:
        with unit_of_work(WORKER) as session:
            told = jobs.waiting(session, self.job(job), clock.now())
        assert told is not None
        return told

    def reach_provider(self) -> None:
        self.database.execute(
            "UPDATE jobs SET state = 'running', provider_job_id = id::text, submitted_at = now(), due_at = NULL"
            " WHERE slot_at IS NOT NULL"
        )

    def slots(self) -> connections.Slots:
        with unit_of_work(WORKER) as session:
            return connections.slots(session)(self.account, MODEL)

    def age(self, seconds: float) -> None:
        """As if so much time had passed since the last lesson."""
        self.database.execute("UPDATE connection_slots SET learned_at = learned_at - %s", [timedelta(seconds=seconds)])


@pytest.fixture(scope="module")
def emptied(launch: Launch) -> Iterator[psycopg.Connection[Any]]:
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
        database = cleanup.enter_context(psycopg.connect(url, autocommit=True))
        for number, team in enumerate((NOISY, QUIET, THIRD)):
            name = f"team-{number}"
            database.execute("INSERT INTO teams (id, slug, name) VALUES (%s, %s, %s)", [team, name, name])
        yield database


@pytest.fixture
def queue(emptied: psycopg.Connection[Any]) -> Queue:
    emptied.execute(_NOBODY_WAITS)
    emptied.execute("UPDATE connections SET slots = NULL, paused_at = NULL, paused_reason = NULL")
    row = emptied.execute("SELECT id FROM connections").fetchone()
    assert row is not None
    return Queue(emptied, row[0])


def test_a_noisy_teams_ten_thousand_jobs_delay_anothers_first_by_one_slot(queue: Queue) -> None:
    queue.allow(3)
    queue.let_wait(NOISY, 10_000)
    assert queue.granted() == [NOISY] * 3
    assert queue.granted() == []
    first, second = queue.let_wait(QUIET, 2)
    told = queue.waiting(first)
    assert (told.reason, told.position, told.of) == ("turn", 1, 9_999)
    assert queue.waiting(second).position == 2
    queue.end_one()
    began = perf_counter()
    assert queue.granted() == [QUIET]
    print(f"a pass over 10,000 jobs that wait: {(perf_counter() - began) * 1000:.1f} ms")


def test_a_free_slot_is_granted_and_its_job_hinted_at_in_one_look(queue: Queue) -> None:
    (job,) = queue.let_wait(QUIET, 1)
    Dispatcher().look()
    row = queue.job(job)
    assert row.slot_at is not None
    assert row.hinted_at is not None


def test_a_look_that_finds_nothing_takes_two_units(queue: Queue) -> None:
    """However many kinds of work there are: it is what a dispatcher does all day."""
    Dispatcher().look()
    units: list[object] = []

    def count(unit: object) -> None:
        units.append(unit)

    event.listen(engine(), "commit", count)
    Dispatcher().look()
    event.remove(engine(), "commit", count)
    assert len(units) == 2


def test_teams_that_both_wait_take_turns(queue: Queue) -> None:
    queue.allow(1)
    queue.let_wait(NOISY, 20)
    queue.let_wait(QUIET, 20)
    seen = []
    for _ in range(8):
        seen += queue.granted()
        queue.end_one()
    assert seen in ([NOISY, QUIET] * 4, [QUIET, NOISY] * 4)


def test_weights_and_the_teams_limits_are_kept_over_all_lanes(queue: Queue) -> None:
    queue.allow(8)
    limits = "INSERT INTO team_limits (team_id, limits) VALUES (%s, %s)"
    queue.database.execute(limits, [NOISY, '{"weight": "3"}'])
    queue.database.execute(limits, [THIRD, '{"concurrent_jobs": 2}'])
    queue.let_wait(THIRD, 5, OTHER)
    assert queue.granted(OTHER) == [THIRD] * 2
    (first, *_) = queue.let_wait(THIRD, 5)
    told = queue.waiting(first)
    assert (told.reason, told.eta) == ("team_limit", None)
    assert "2 jobs" in told.message
    queue.let_wait(NOISY, 20)
    queue.let_wait(QUIET, 20)
    granted = queue.granted()
    assert (granted.count(NOISY), granted.count(QUIET), granted.count(THIRD)) == (6, 2, 0)


def test_a_paused_account_grants_nothing_and_says_why(queue: Queue) -> None:
    (job,) = queue.let_wait(QUIET, 1)
    queue.database.execute("UPDATE connections SET paused_at = now(), paused_reason = 'The key was revoked.'")
    assert queue.granted() == []
    told = queue.waiting(job)
    assert (told.reason, told.position, told.of) == ("account_paused", 1, 1)
    assert told.message == "Nothing new goes to the provider account: The key was revoked."
    queue.database.execute("UPDATE connections SET paused_at = NULL, paused_reason = NULL")
    assert queue.granted() == [QUIET]


def test_what_waits_is_counted_by_what_it_waits_for(queue: Queue) -> None:
    def counted() -> dict[tuple[str, str], int]:
        with unit_of_work(WORKER) as session:
            return dict(jobs.turns_waiting(session))

    queue.let_wait(QUIET, 2)
    queue.let_wait(NOISY, 3, OTHER)
    assert counted() == {(MODEL, "turn"): 2, (OTHER, "turn"): 3}
    queue.allow(0)
    assert counted() == {(MODEL, "slots"): 2, (OTHER, "slots"): 3}
    queue.database.execute("UPDATE connections SET paused_at = now(), paused_reason = 'Moving.'")
    assert counted() == {(MODEL, "account_paused"): 2, (OTHER, "account_paused"): 3}


def test_an_account_without_limits_is_entered_by_so_many_at_a_time(queue: Queue) -> None:
    most = settings().entering_max
    queue.let_wait(NOISY, 10 * most)
    assert len(queue.granted()) == most
    assert queue.granted() == []
    queue.let_wait(QUIET, 1)
    queue.reach_provider()
    assert queue.granted()[0] == QUIET


def test_dispatchers_at_once_never_grant_more_than_there_is(queue: Queue) -> None:
    queue.allow(3)
    queue.let_wait(NOISY, 200)
    queue.let_wait(QUIET, 200)
    ended, stop = 0, threading.Event()

    def dispatch() -> None:
        while not stop.is_set():
            grant_turns()

    with ThreadPoolExecutor(3) as dispatchers:
        running = [dispatchers.submit(dispatch) for _ in range(3)]
        try:
            while ended < 30:
                held = queue.under_way()
                assert len(held) <= 3
                if len(held) == 3:
                    queue.end_one()
                    ended += 1
        finally:
            stop.set()
        for one in running:
            one.result()


def test_a_job_somebody_holds_just_now_is_left_for_the_next_pass(queue: Queue) -> None:
    (job,) = queue.let_wait(QUIET, 1)
    with queue.database.transaction():
        queue.database.execute("SELECT id FROM jobs WHERE id = %s FOR UPDATE", [job])
        assert queue.granted() == []
    assert queue.granted() == [QUIET]


def test_a_slot_is_free_again_at_the_end_and_when_the_job_is_queued_again(queue: Queue) -> None:
    queue.allow(1)
    job, _ = queue.let_wait(QUIET, 2)
    assert queue.granted() == [QUIET]
    with unit_of_work(worker_for(QUIET)) as session:
        row = session.get_one(Job, job)
        assert row.due_at is not None
        turns.wait(row)
    assert queue.job(job).due_at is None
    assert queue.granted() == [QUIET]
    assert queue.job(job).slot_at is not None, "its place in the order is what it was"


def test_a_refusal_teaches_how_many_there_are_and_a_probe_tries_one_more(queue: Queue) -> None:
    queue.let_wait(NOISY, 10)
    assert len(queue.granted()) == 10
    several = [
        row[0] for row in queue.database.execute("SELECT id FROM jobs WHERE slot_at IS NOT NULL LIMIT 4").fetchall()
    ]
    queue.database.execute("UPDATE jobs SET provider_job_id = id::text WHERE id = ANY(%s)", [several[:3]])
    with unit_of_work(WORKER) as session:
        turns.learn_from_refusal(session, queue.job(several[3]))
    assert queue.slots().learned == 3
    queue.database.execute("UPDATE jobs SET slot_at = NULL WHERE provider_job_id IS NULL AND slot_at IS NOT NULL")
    assert queue.granted() == [], "all three are taken"
    queue.age(settings().slots_probe_seconds)
    assert queue.granted() == [NOISY], "one more is tried"
    assert queue.slots().learned == 4
    queue.age(settings().slots_probe_seconds / 2)
    assert queue.granted() == [], "and no further one for a while"


def test_an_account_others_have_filled_is_tried_by_one_job_now_and_then(queue: Queue) -> None:
    (job,) = queue.let_wait(QUIET, 1)
    with unit_of_work(WORKER) as session:
        turns.learn_from_refusal(session, queue.job(job))
    assert queue.slots().learned == 1
    assert queue.granted() == [], "just refused"
    queue.age(settings().search_interval_seconds)
    assert queue.granted() == [QUIET]


def test_when_a_turn_comes_is_told_from_how_long_the_last_jobs_took(queue: Queue) -> None:
    queue.allow(2)
    queue.let_wait(NOISY, 6)
    queue.granted()
    *_, last = queue.let_wait(QUIET, 1)
    assert queue.waiting(last).eta is None, "no job has ended yet"
    queue.end_one()
    queue.database.execute(
        "UPDATE jobs SET submitted_at = finished_at - interval '1 hour' WHERE finished_at IS NOT NULL"
    )
    told = queue.waiting(last)
    assert told.position == 1
    assert told.eta is not None
    assert timedelta(minutes=29) < told.eta - clock.now() < timedelta(minutes=31)
