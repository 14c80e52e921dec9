"""Ticks come round by themselves, and one that fails takes nothing with it."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, select

from service.kit import ticks
from service.kit.db import unit_of_work
from service.kit.identity import SYSTEM
from service.kit.ticks import Schedule, Tick
from tests.until import until
from workers.schedule import TICKS, run_ticks

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def name() -> Iterator[str]:
    """Of a tick of this test's own."""
    mine = f"tests.{uuid4().hex}"
    yield mine
    with unit_of_work(SYSTEM) as session:
        session.execute(delete(Tick).where(Tick.name == mine))


def installed(name: str) -> UUID:
    with unit_of_work(SYSTEM) as session:
        ticks.install(session, [Schedule(name, 60.0)])
        return session.scalars(select(Tick.id).where(Tick.name == name)).one()


def tick(row_id: UUID) -> Tick:
    with unit_of_work(SYSTEM) as session:
        return session.get_one(Tick, row_id)


def test_a_new_tick_is_due_at_once_runs_and_is_due_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setitem(TICKS, name, (60.0, lambda: ran.append(name)))
    row_id = installed(name)
    first = tick(row_id).due_at
    assert first is not None
    run_ticks([row_id])
    after = tick(row_id)
    assert ran == [name]
    assert after.due_at is not None
    assert (after.due_at - first).total_seconds() >= 60
    assert (after.lease_until, after.attempts) == (None, 0)
    installed(name)
    assert tick(row_id).due_at == after.due_at, "installing again moves nothing"


def test_a_tick_that_fails_is_due_again_and_does_not_end_the_process(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("the bucket is away")

    monkeypatch.setitem(TICKS, name, (60.0, fail))
    row_id = installed(name)
    with unit_of_work(SYSTEM) as session:
        session.get_one(Tick, row_id).due_at = session.scalar(select(func.clock_timestamp()))
    run_ticks([row_id])  # the dispatcher calls this too, while the broker is away
    assert tick(row_id).lease_until is None
    assert tick(row_id).attempts == 0


def test_a_tick_that_outlasts_its_lease_is_nobody_elses_meanwhile(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row_id, renewed = installed(name), []

    def outlast() -> None:
        lease = tick(row_id).lease_until
        assert lease is not None
        until(lambda: (tick(row_id).lease_until or lease) > lease, what="the lease to be renewed")
        renewed.append(lease)

    monkeypatch.setitem(TICKS, name, (60.0, outlast))
    run_ticks([row_id])
    assert len(renewed) == 1
    assert (tick(row_id).lease_until, tick(row_id).attempts) == (None, 0)


@pytest.mark.parametrize("chore", TICKS)
def test_each_chore_may_do_what_it_does(chore: str) -> None:
    TICKS[chore][1]()
