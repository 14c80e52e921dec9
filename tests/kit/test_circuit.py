"""Circuits: when nobody calls, who tries first, and how many calls a minute. On a real Postgres and its clock."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, update

from service.kit import circuit, clock
from service.kit.circuit import Circuit, CircuitOpen
from service.kit.db import engine, unit_of_work
from service.kit.identity import SYSTEM, WORKER, Actor, DbRole
from service.kit.ids import new_id
from service.kit.settings import settings

pytestmark = pytest.mark.usefixtures("database")

CIRCUIT_SECONDS, CAP_SECONDS = 30.0, 900.0


@pytest.fixture(autouse=True)
def _long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long that none ends while a busy machine looks elsewhere."""
    long = settings().model_copy(update={"circuit_seconds": CIRCUIT_SECONDS, "backoff_cap_seconds": CAP_SECONDS})
    monkeypatch.setattr(circuit, "settings", lambda: long)


@pytest.fixture
def name() -> str:
    return f"{uuid4()}:ask"


def row(name: str) -> Any:
    with unit_of_work(WORKER) as session:
        left = func.extract("epoch", Circuit.open_until - func.clock_timestamp())
        return session.execute(select(Circuit, left.label("left")).where(Circuit.name == name)).one()


def change(name: str, **values: Any) -> None:
    with unit_of_work(WORKER) as session:
        session.execute(update(Circuit).where(Circuit.name == name).values(**values))


def fail(name: str, times: int) -> None:
    for _ in range(times):
        circuit.failed(name, "away")


def let_pause_end(name: str) -> None:
    change(name, open_until=func.clock_timestamp() - timedelta(seconds=1))


def refusal(name: str) -> CircuitOpen:
    with pytest.raises(CircuitOpen) as caught:
        circuit.enter(name)
    return caught.value


def test_five_failures_in_a_row_open_it_and_a_success_between_them_does_not(name: str) -> None:
    fail(name, 4)
    circuit.succeeded(name)
    fail(name, 4)
    circuit.enter(name)
    fail(name, 1)
    refused = refusal(name)
    assert refused.reason == "away"
    assert 0 < refused.retry_after_seconds <= CIRCUIT_SECONDS * 1.2


def test_each_failed_trial_doubles_the_pause_up_to_the_cap(name: str) -> None:
    fail(name, 5)
    shares, expected = [], []
    for doubled in range(1, 8):
        let_pause_end(name)
        circuit.failed(name, "still away")
        expected.append(min(CIRCUIT_SECONDS * 2**doubled, CAP_SECONDS))
        shares.append(float(row(name).left) / expected[-1])
    assert expected[-1] == CAP_SECONDS
    assert all(0.7 < share <= 1.2 for share in shares), shares  # ±20 %, and the moment until we look


def test_calls_that_began_before_it_opened_say_nothing_new(name: str) -> None:
    fail(name, 5)
    before = row(name)
    fail(name, 20)
    circuit.succeeded(name)
    after = row(name)
    assert (after.Circuit.failures, after.Circuit.open_until) == (5, before.Circuit.open_until)
    refusal(name)


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_of_all_who_race_when_the_pause_is_over_one_is_on_trial(name: str, ends: str) -> None:
    fail(name, 5)
    let_pause_end(name)
    start = Barrier(8)

    def race(_: int) -> bool:
        start.wait()
        try:
            circuit.enter(name)
        except CircuitOpen:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(race, range(8))) == [False] * 7 + [True]
    assert refusal(name).retry_after_seconds <= 2
    if ends == "well":
        circuit.succeeded(name)
        circuit.enter(name)
        circuit.enter(name)
        told = row(name).Circuit
        assert (told.failures, told.open_until, told.reason, told.since) == (0, None, None, None)
    else:
        circuit.failed(name, "still away")
        assert refusal(name).reason == "still away"


def test_who_dies_on_trial_does_not_keep_it(name: str) -> None:
    fail(name, 5)
    let_pause_end(name)
    circuit.enter(name)
    refusal(name)
    change(name, trial_until=func.clock_timestamp() - timedelta(seconds=1))
    circuit.enter(name)


def test_the_service_may_ask_for_a_pause_at_once_and_a_longer_one_stays(name: str) -> None:
    circuit.enter(name)
    circuit.open(name, "429: later", 300)
    since = row(name).Circuit.since
    circuit.open(name, "401: the key is revoked", 5)
    refused = refusal(name)
    assert (refused.reason, row(name).Circuit.since) == ("429: later", since)
    assert 295 < refused.retry_after_seconds <= 300
    let_pause_end(name)
    circuit.failed(name, "trial failed")  # one failure, not five: it was not well before
    assert refusal(name).reason == "trial failed"


def test_a_person_closes_it(name: str) -> None:
    circuit.open(name, "revoked", 300)
    with unit_of_work(SYSTEM) as session:
        circuit.close(session, [name])
    circuit.enter(name)


def test_it_is_told_while_it_is_open_and_if_asked_while_it_is_on_trial(name: str) -> None:
    def told(**options: bool) -> list[str]:
        with unit_of_work(Actor(db_role=DbRole.TEAM, name="t", team_id=new_id())) as session:
            return [one.reason for one in circuit.openings(session, like=f"{name[:30]}%", **options)]

    circuit.enter(name)
    assert told() == []
    circuit.open(name, "revoked", 300)
    assert told() == ["revoked"]
    let_pause_end(name)
    assert (told(), told(also_on_trial=True)) == ([], ["revoked"])


def test_a_healthy_one_costs_no_query(name: str) -> None:
    statements: list[object] = []

    def count(*told: object) -> None:
        statements.append(told)

    circuit.enter(name)
    event.listen(engine(), "before_cursor_execute", count)
    for _ in range(100):
        circuit.enter(name)
        circuit.succeeded(name)
    event.remove(engine(), "before_cursor_execute", count)
    assert statements == []


def test_an_outcome_that_cannot_be_noted_is_not_raised(name: str) -> None:
    """A name too long for the table stands for whatever Postgres may say."""
    too_long = name * 9
    circuit.failed(too_long, "away")
    circuit.open(too_long, "away", 1)
    circuit.succeeded(too_long)


def test_a_pace_lets_a_quarter_go_at_once_and_the_rest_evenly(name: str) -> None:
    began, granted = clock.monotonic(), 0
    with suppress(CircuitOpen):
        while True:
            circuit.pace(name, 24)
            granted += 1
    elapsed = clock.monotonic() - began
    assert 6 <= granted <= 6 + 0.3 * elapsed + 0.6  # so many in the two seconds that one waits at most


def test_who_would_wait_too_long_is_sent_away_with_the_seconds(name: str) -> None:
    circuit.pace(name, 20)
    change(name, tokens=-0.4)
    with pytest.raises(CircuitOpen, match="20 requests a minute") as caught:
        circuit.pace(name, 20)
    assert caught.value.retry_after_seconds == pytest.approx(1.4 * 4, abs=0.3)
    assert row(name).Circuit.tokens == pytest.approx(-0.4)  # who is sent away has taken nothing


def test_pace_and_circuit_share_a_row_and_leave_each_other_alone(name: str) -> None:
    circuit.pace(name, 60)
    circuit.enter(name)
    fail(name, 5)
    circuit.pace(name, 60)
    assert row(name).Circuit.tokens == pytest.approx(13, abs=0.5)
    refusal(name)


def test_many_at_once_take_no_place_twice(name: str) -> None:
    def take(_: int) -> bool:
        try:
            circuit.pace(name, 60)
        except CircuitOpen:
            return False
        return True

    began = clock.monotonic()
    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(take, range(40)))
    elapsed = clock.monotonic() - began
    assert 15 <= granted <= 15 + 0.75 * elapsed + 1.5
