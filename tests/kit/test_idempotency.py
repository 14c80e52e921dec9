"""Idempotency-Key: one effect, whatever races, fails or comes again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from service import audit
from service.kit import idempotency
from service.kit.db import direct_connection, read_only, unit_of_work
from service.kit.idempotency import BadKey, KeyReused, Outcome, StillRunning
from service.kit.identity import CLI, SYSTEM, Actor, DbRole
from tests.tenants.factories import a_team
from tests.until import until

pytestmark = pytest.mark.usefixtures("database")

REQUEST = {"method": "POST", "path": "/v1/things", "body": {"size": 3}}


class Counter:
    """Something with an effect that can be counted: it writes an audit entry about itself."""

    def __init__(self) -> None:
        self.team_id = a_team().id
        self.actor = Actor(db_role=DbRole.TEAM, name="test", team_id=self.team_id)
        self.about = uuid4().hex

    def ask(
        self, key: str | None, request: object = REQUEST, *, before_commit: Callable[[], Any] | None = None
    ) -> Outcome:
        with unit_of_work(self.actor) as session:

            def do() -> dict[str, Any]:
                audit.record(session, self.actor, "thing.made", object_type="thing", object_id=self.about)
                return {"id": uuid4().hex}

            outcome = idempotency.once(session, self.team_id, key, request, do)
            if before_commit:
                before_commit()
            return outcome

    def effects(self) -> int:
        with read_only(CLI) as session:
            query = text("SELECT count(*) FROM audit_entries WHERE object_id = :about")
            return int(session.scalar(query, {"about": self.about}) or 0)


@pytest.fixture
def thing(database: object) -> Counter:
    return Counter()


def fail() -> None:
    raise LookupError


def test_twenty_at_once_have_one_effect_and_one_answer(thing: Counter) -> None:
    start = Barrier(20)

    def ask(_: int) -> Outcome:
        start.wait()
        return thing.ask("race")

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(ask, range(20)))
    assert thing.effects() == 1
    assert len({outcome.answer["id"] for outcome in outcomes}) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 19


def test_a_repetition_is_told_the_first_answer(thing: Counter) -> None:
    first, again = thing.ask("k"), thing.ask("k")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.answer == again.answer
    assert thing.effects() == 1


def test_another_request_under_the_same_key_is_refused(thing: Counter) -> None:
    thing.ask("k")
    with pytest.raises(KeyReused) as refused:
        thing.ask("k", REQUEST | {"body": {"size": 4}})
    assert refused.value.code == "idempotency_key_reused"
    assert thing.effects() == 1


def test_the_order_of_members_makes_no_other_request(thing: Counter) -> None:
    thing.ask("k", {"a": 1, "b": UUID(int=1)})
    assert thing.ask("k", {"b": UUID(int=1), "a": 1}).replayed


def test_a_failed_request_leaves_no_key_and_may_be_repeated(thing: Counter) -> None:
    with pytest.raises(LookupError):
        thing.ask("k", before_commit=fail)
    assert thing.effects() == 0
    assert not thing.ask("k").replayed
    assert thing.effects() == 1


def test_who_waited_for_a_request_that_failed_carries_it_out(thing: Counter) -> None:
    asked, let_go = Event(), Event()

    def hold_then_fail() -> None:
        asked.set()
        let_go.wait(10)
        raise LookupError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(thing.ask, "k", before_commit=hold_then_fail)
        assert asked.wait(10)
        second = pool.submit(thing.ask, "k")
        until(_somebody_waits_for_the_key, what="the second request to wait at the index")
        let_go.set()
        assert isinstance(first.exception(), LookupError)
        assert not second.result().replayed
    assert thing.effects() == 1


def _somebody_waits_for_the_key() -> bool:
    with direct_connection() as login:  # which sees the statements of its own sessions, as no role it takes does
        waiting = login.execute(
            "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND query LIKE 'INSERT INTO idempotency_keys%'"
        )
        return waiting.fetchone() is not None


def test_teams_do_not_share_keys() -> None:
    one, other = Counter(), Counter()
    one.ask("k")
    assert not other.ask("k").replayed


def test_without_a_key_every_request_counts(thing: Counter) -> None:
    assert not thing.ask(None).replayed
    assert not thing.ask(None).replayed
    assert thing.effects() == 2


def test_a_key_in_the_drafts_quotes_is_the_same_key(thing: Counter) -> None:
    thing.ask('"8e03978e"')
    assert thing.ask("8e03978e").replayed


def test_who_waits_too_long_for_the_first_request_is_told_to_come_again(thing: Counter) -> None:
    waiting, done = Event(), Event()

    def dawdle() -> None:
        waiting.set()
        done.wait(20)

    with ThreadPoolExecutor(1) as slow:
        first = slow.submit(thing.ask, "k", before_commit=dawdle)
        waiting.wait(20)
        try:
            with pytest.raises(StillRunning):
                thing.ask("k")
        finally:
            done.set()
        assert first.result().replayed is False
    assert thing.effects() == 1


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "schlüssel", "tab\tkey", "nul\x00"])
def test_a_key_must_be_short_printable_ascii(thing: Counter, key: str) -> None:
    with pytest.raises(BadKey):
        thing.ask(key)
    assert thing.effects() == 0


def test_keys_are_kept_seven_days(thing: Counter) -> None:
    thing.ask("old"), thing.ask("young")
    with unit_of_work(thing.actor) as session:
        for key, age in (("old", "7 days 1 second"), ("young", "6 days 23 hours")):
            session.execute(
                text("UPDATE idempotency_keys SET created_at = now() - cast(:age AS interval) WHERE key = :key"),
                {"age": age, "key": key},
            )
    with unit_of_work(SYSTEM) as session:
        idempotency.purge(session)
    assert thing.ask("young").replayed
    assert not thing.ask("old").replayed
