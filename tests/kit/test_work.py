"""The work engine: whoever dies, sleeps or comes twice, a row is worked on by one at a time and never lost.

The rows are ticks in a state of each test's own, so that no dispatcher and no other test touches them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, delete, func, insert, select, text, update

from service.jobs import Job
from service.kit import work
from service.kit.db import read_only, unit_of_work
from service.kit.identity import SYSTEM, WORKER
from service.kit.ids import new_id
from service.kit.settings import settings
from service.kit.ticks import Tick
from service.kit.work import Claim, Kind, StaleClaim

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def kind(database: object) -> Iterator[Kind]:
    """A kind of work nobody else does."""
    mine = Kind("tests.work", Tick, frozenset({uuid4().hex}), queue="tests")
    yield mine
    with unit_of_work(SYSTEM) as session:
        session.execute(delete(Tick).where(Tick.state.in_(mine.states)))


def add(kind: Kind, count: int = 1, **changes: Any) -> list[UUID]:
    """Rows that have been due for a while, the first the longest."""
    (state,) = kind.states
    ids = [new_id() for _ in range(count)]
    with unit_of_work(SYSTEM) as session:
        for number, one in reversed(list(enumerate(ids))):  # not in the order they are due
            row = {"name": one.hex, "every_seconds": 60.0, "state": state, "due_at": since(count - number)}
            session.execute(insert(Tick).values(id=one, **(row | changes)))
    return ids


def since(seconds: float) -> ColumnElement[datetime]:
    """So long ago by the database's clock."""
    return func.clock_timestamp() - timedelta(seconds=seconds)


def change(row_id: UUID, **values: Any) -> None:
    with unit_of_work(SYSTEM) as session:
        session.execute(update(Tick).where(Tick.id == row_id).values(**values))


def lapse(row_id: UUID) -> None:
    """As if the lease had run out."""
    change(row_id, lease_until=since(0.001))


def row(row_id: UUID) -> Tick:
    with read_only(SYSTEM) as session:
        return session.get_one(Tick, row_id)


def seconds_until(row_id: UUID, column: str) -> float:
    """How far this instant of the row lies ahead by the database's clock."""
    with read_only(SYSTEM) as session:
        left = func.extract("epoch", getattr(Tick, column) - func.clock_timestamp())
        return float(session.execute(select(left).where(Tick.id == row_id)).scalar_one())


def claim(kind: Kind, *ids: UUID, seconds: float | None = None) -> list[Claim]:
    with unit_of_work(WORKER) as session:
        return work.claim(session, kind, ids, seconds=seconds)


def due(kind: Kind, limit: int = 100) -> list[UUID]:
    with unit_of_work(WORKER) as session:
        return list(work.due(session, kind, limit=limit))


def end(claimed: Claim, how: Any) -> None:
    """Record under the claim's fence."""
    with unit_of_work(SYSTEM) as session:
        how(work.recording(session, Tick, claimed))


def test_of_many_who_claim_at_once_one_gets_each_row(kind: Kind) -> None:
    ids, start = add(kind, 20), Barrier(8)

    def grab(_: int) -> list[UUID]:
        start.wait()
        return [one.id for one in claim(kind, *ids)]

    with ThreadPoolExecutor(8) as pool:
        taken = [one for batch in pool.map(grab, range(8)) for one in batch]
    assert sorted(taken) == sorted(ids)


def test_a_held_row_is_neither_claimed_nor_due_until_its_lease_lapses(kind: Kind) -> None:
    (one,) = add(kind)
    (first,) = claim(kind, one)
    assert claim(kind, one) == []
    assert due(kind) == []
    lapse(one)
    assert due(kind) == [one]
    (second,) = claim(kind, one)
    assert (second.fence, second.attempts) == (first.fence + 1, first.attempts + 1)


def test_a_lease_lasts_as_long_as_asked_by_the_databases_clock(kind: Kind) -> None:
    (one,) = add(kind)
    claim(kind, one, seconds=1000)
    assert 990 < seconds_until(one, "lease_until") <= 1000


def test_who_lost_the_lease_can_write_nothing(kind: Kind) -> None:
    (one,) = add(kind)
    (sleeper,) = claim(kind, one)
    lapse(one)
    (awake,) = claim(kind, one)
    for how in (work.finish, work.proceed, work.back_off):
        with pytest.raises(StaleClaim):
            end(sleeper, how)
    with pytest.raises(StaleClaim), unit_of_work(SYSTEM) as session:
        work.renew(session, Tick, sleeper)
    assert row(one).due_at is not None
    end(awake, work.finish)
    assert row(one).due_at is None


def test_a_lapsed_lease_that_nobody_took_is_still_its_holders(kind: Kind) -> None:
    (one,) = add(kind)
    (slow,) = claim(kind, one)
    lapse(one)
    end(slow, work.finish)
    assert claim(kind, one) == []


def test_renewing_holds_on(kind: Kind) -> None:
    (one,) = add(kind)
    (held,) = claim(kind, one)
    lapse(one)
    with unit_of_work(SYSTEM) as session:
        work.renew(session, Tick, held)
    assert claim(kind, one) == []


def test_a_row_claimed_too_often_without_progress_waits_for_a_person(kind: Kind) -> None:
    (poison,) = add(kind, attempts=settings().attempts_max)
    (good,) = add(kind)
    assert [one.id for one in claim(kind, poison, good)] == [good]
    stuck = row(poison)
    assert stuck.attention == f"claimed {settings().attempts_max} times without progress"
    assert stuck.attention_since is not None
    assert stuck.lease_until is None
    assert due(kind) == []
    assert claim(kind, poison) == []


def test_progress_forgives_earlier_attempts(kind: Kind) -> None:
    (one,) = add(kind, attempts=settings().attempts_max - 1)
    (last_try,) = claim(kind, one)
    end(last_try, work.proceed)
    (again,) = claim(kind, one)
    assert again.attempts == 1


def test_due_rows_are_hinted_at_once_and_again_only_when_the_hint_is_stale(kind: Kind) -> None:
    ids = add(kind, 3)
    assert due(kind) == ids
    assert all(row(one).hinted_at for one in ids)
    assert due(kind) == []
    change(ids[1], hinted_at=since(settings().rehint_seconds + 0.01))
    assert due(kind) == [ids[1]]


def test_the_longest_due_come_first_and_no_more_than_asked(kind: Kind) -> None:
    ids = add(kind, 5)
    assert due(kind, limit=2) == ids[:2]
    assert due(kind, limit=2) == ids[2:4]


def test_two_dispatchers_share_what_is_due(kind: Kind) -> None:
    ids = add(kind, 4)
    with unit_of_work(WORKER) as one, unit_of_work(WORKER) as other:
        first = work.due(one, kind, limit=2)
        second = work.due(other, kind, limit=4)  # does not wait for the rows `one` has locked
    assert (list(first), list(second)) == (ids[:2], ids[2:])


def test_what_is_not_due_yet_or_in_another_state_is_left_alone(kind: Kind) -> None:
    (later,) = add(kind, due_at=since(-3600))
    (never,) = add(kind, due_at=None)
    (elsewhere,) = add(Kind("tests.other", Tick, frozenset({uuid4().hex}), queue="tests"))
    assert due(kind) == []
    assert claim(kind, later, never, elsewhere) == []
    with unit_of_work(SYSTEM) as session:
        session.delete(session.get_one(Tick, elsewhere))


def test_progress_with_a_pause_and_a_finish_free_the_row(kind: Kind) -> None:
    soon, done = add(kind, 2)
    for one in claim(kind, soon, done):
        end(one, (lambda row: work.proceed(row, seconds=30)) if one.id == soon else work.finish)
    assert 25 < seconds_until(soon, "due_at") <= 30
    assert row(soon).lease_until is None
    assert row(done).due_at is None


def test_backing_off_keeps_count_and_waits(kind: Kind) -> None:
    (one,) = add(kind)
    (first,) = claim(kind, one)
    end(first, work.back_off)
    assert row(one).attempts == 1
    assert 1 < seconds_until(one, "due_at") <= 2.4
    change(one, due_at=since(0))
    (second,) = claim(kind, one)
    assert second.attempts == 2


def test_an_attempt_the_row_is_not_to_blame_for_does_not_count(kind: Kind) -> None:
    (one,) = add(kind)
    (held,) = claim(kind, one)
    end(held, lambda row: work.back_off(row, seconds=0, blameless=True))
    (again,) = claim(kind, one)
    assert again.attempts == held.attempts


def test_asking_for_attention_stops_the_work_and_keeps_the_row(kind: Kind) -> None:
    (one,) = add(kind)
    (held,) = claim(kind, one)
    end(held, lambda row: work.ask_for_attention(row, "the provider answers in riddles"))
    stopped = row(one)
    assert (stopped.attention, stopped.state) == ("the provider answers in riddles", next(iter(kind.states)))
    assert stopped.attention_since is not None
    assert due(kind) == []


def test_a_finished_row_asks_for_nobody(kind: Kind) -> None:
    (one,) = add(kind)
    (held,) = claim(kind, one)
    end(held, lambda row: work.ask_for_attention(row, "the provider answers in riddles"))
    end(held, work.finish)  # as a cancel of the user's does to a job the provider never had
    assert (row(one).attention, row(one).attention_since) == (None, None)


def test_a_woken_row_is_due_at_once_whatever_was_hinted(kind: Kind) -> None:
    (one,) = add(kind, due_at=since(-3600), hinted_at=since(0))
    with unit_of_work(SYSTEM) as session:
        work.wake(session.get_one(Tick, one))
    assert due(kind) == [one]


def test_a_worker_that_dies_before_recording_leaves_nothing_but_a_lease(kind: Kind) -> None:
    (one,) = add(kind)
    (held,) = claim(kind, one)

    def die() -> None:
        with unit_of_work(SYSTEM) as session:
            work.finish(work.recording(session, Tick, held))
            session.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert row(one).due_at is not None
    lapse(one)
    assert len(claim(kind, one)) == 1


@given(st.uuids(), st.integers(1, 10_000))
def test_pauses_double_up_to_the_cap_and_are_spread_by_a_fifth(row_id: UUID, attempts: int) -> None:
    exact = min(2.0 ** min(attempts, 30), settings().backoff_cap_seconds)
    assert 0.8 * exact <= work.backoff_seconds(row_id, attempts) <= 1.2 * exact


def test_rows_that_failed_together_do_not_return_together() -> None:
    pauses = {work.backoff_seconds(uuid4(), 5) for _ in range(50)}
    assert len(pauses) > 25


def test_a_claim_on_a_row_without_a_team_has_no_team(kind: Kind) -> None:
    (held,) = claim(kind, *add(kind))
    with pytest.raises(AssertionError):
        _ = held.team


def test_what_is_due_is_found_by_its_index_however_much_is_not_due_yet() -> None:
    """With a volatile clock in the condition each look, four a second, would read every row with work to do."""
    with unit_of_work(WORKER) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # a small table would be read whole
        asked = select(Job.id).where(work.ready(Job)).order_by(Job.due_at).limit(10)
        compiled = asked.compile(session.connection(), compile_kwargs={"literal_binds": True})
        plan = session.scalars(text(f"EXPLAIN {compiled}")).all()
    assert any("Index Cond: (due_at <=" in line for line in plan), plan
