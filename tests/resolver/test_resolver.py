"""The resolver against a real API that goes away, hangs, restarts, and says something else."""

import time
from collections.abc import Callable

import pytest

from service import tenants
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI
from service.kit.ids import read
from tests.resolver.served import MAX_AGE_SECONDS, Clock, Served, serve
from tests.resolver.twins import Asking, Threaded, at_once
from tests.tenants.factories import a_key
from tests.until import until
from tuneplane_resolver import KeyRefused, NotServed, Unanswered

Start = Callable[..., Asking]


def test_it_says_what_the_server_says_and_asks_once_in_half_a_max_age(served: Served, started: Start) -> None:
    resolver = started()
    found = resolver.resolve("support-bot")
    assert (found.name, found.alias, found.model, found.version) == ("support-bot", "production", "ft:one", 1)
    assert (found.base_model, found.shutdown_date, found.is_stale) == ("base", None, False)
    served.clock.ahead = MAX_AGE_SECONDS / 2 - 5
    for _ in range(100):
        assert resolver.resolve("support-bot").model == "ft:one"
    assert resolver.statuses == [200]


def test_a_promotion_is_picked_up_within_max_age(served: Served, started: Start) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    served.promote(2)
    served.clock.ahead = MAX_AGE_SECONDS
    assert resolver.resolve("support-bot").model == "ft:two"


def test_who_asks_often_never_waits_for_it(served: Served, started: Start) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    served.promote(2)
    served.clock.ahead = MAX_AGE_SECONDS / 2
    assert resolver.resolve("support-bot").model == "ft:one"
    until(lambda: resolver.resolve("support-bot").model == "ft:two", within=5)
    assert resolver.statuses == [200, 200]


def test_what_has_not_changed_is_not_sent_again_and_counts_as_new(served: Served, started: Start) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    served.clock.ahead = MAX_AGE_SECONDS
    assert resolver.resolve("support-bot").age_seconds < MAX_AGE_SECONDS / 2
    assert resolver.statuses == [200, 304]


def test_it_answers_through_ten_minutes_without_a_server_restarts_included(served: Served, started: Start) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    with served.away():
        for second in range(0, 600, 10):
            served.clock.ahead = float(second)
            if second % 60 == 0:
                resolver = started()  # knows only what lies in the folder
            found = resolver.resolve("support-bot", key=f"user-{second}")
            assert found.model == "ft:one"
            assert found.is_stale == (second >= MAX_AGE_SECONDS)
            assert found.age_seconds == pytest.approx(second, abs=60)  # the machine may be busy
        served.promote(2)
    served.clock.ahead += MAX_AGE_SECONDS
    until(lambda: resolver.resolve("support-bot").model == "ft:two", within=5)
    assert not resolver.resolve("support-bot").is_stale


def test_a_server_that_hangs_keeps_nobody_waiting_but_the_first(served: Served, started: Start) -> None:
    resolver = started(timeout_seconds=0.5)
    resolver.resolve("support-bot")
    served.clock.ahead = MAX_AGE_SECONDS
    with served.frozen():
        began = time.monotonic()
        assert resolver.resolve("support-bot").is_stale
        assert time.monotonic() - began >= 0.5
        began = time.monotonic()
        for _ in range(200):
            assert resolver.resolve("support-bot").model == "ft:one"
        assert time.monotonic() - began < 0.5
    until(lambda: not resolver.resolve("support-bot").is_stale, within=10)


def test_without_a_server_and_without_a_past_there_is_no_answer(served: Served, started: Start) -> None:
    resolver = started()
    with served.away(), pytest.raises(Unanswered, match="support-bot@production"):
        resolver.resolve("support-bot")
    assert resolver.resolve("support-bot").model == "ft:one"


def test_an_outage_longer_than_the_server_or_the_caller_allows_ends_in_no_answer(
    served: Served, started: Start
) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    brief, patient = started(stale_if_error_seconds=60), started(stale_if_error_seconds=10**9)
    with served.away():
        served.clock.ahead = 86_000
        assert resolver.resolve("support-bot").is_stale
        with pytest.raises(Unanswered):
            brief.resolve("support-bot")
        served.clock.ahead = 90_000
        with pytest.raises(Unanswered):
            resolver.resolve("support-bot")
        assert patient.resolve("support-bot").model == "ft:one"


def test_what_is_not_served_is_no_outage(served: Served, started: Start) -> None:
    resolver = started()
    for name, alias in (("support-bot", "staging"), ("unknown", "production"), ("a/b?c", "x&y=z")):
        with pytest.raises(NotServed):
            resolver.resolve(name, alias=alias)


def test_a_revoked_key_is_refused_and_what_it_had_is_forgotten(served: Served, started: Start) -> None:
    view, key = a_key(served.team, tenants.Role.RESOLVER)
    served.key = key
    resolver = started()
    until(lambda: _resolves(resolver), within=5)
    with unit_of_work(CLI) as session:
        tenants.revoke_key(session, CLI, read("key", view.id), team_id=served.team.id, at=clock.now())
    until(lambda: served.asked().status_code == 401, within=5)
    served.clock.ahead = MAX_AGE_SECONDS
    for one in (resolver, started()):
        with pytest.raises(KeyRefused):
            one.resolve("support-bot")
    assert not list(served.folder.glob("*.json"))


def _resolves(resolver: Asking) -> bool:
    try:
        resolver.resolve("support-bot")
    except KeyRefused:  # made a moment ago
        return False
    return True


def test_another_key_never_reads_its_answers(served: Served, started: Start) -> None:
    started().resolve("support-bot")
    _, served.key = a_key(served.team, tenants.Role.RESOLVER)
    with served.away(), pytest.raises(Unanswered):
        started().resolve("support-bot")


def test_many_at_once_ask_but_once(served: Served, started: Start) -> None:
    resolver = started()
    resolver.resolve("support-bot")
    served.promote(2)
    served.clock.ahead = MAX_AGE_SECONDS
    assert {found.model for found in at_once(resolver, 32)} <= {"ft:one", "ft:two"}
    assert resolver.resolve("support-bot").model == "ft:two"
    assert resolver.statuses == [200, 200]


def test_processes_of_a_machine_share_what_one_has_asked(served: Served, started: Start) -> None:
    first, second = started(), started()
    first.resolve("support-bot")
    assert second.resolve("support-bot").model == "ft:one"
    served.promote(2)
    served.clock.ahead = MAX_AGE_SECONDS
    assert first.resolve("support-bot").model == second.resolve("support-bot").model == "ft:two"
    assert (first.statuses, second.statuses) == ([200, 200], [])


def test_a_clock_that_is_turned_back_makes_it_ask_again_and_go_on(served: Served, started: Start) -> None:
    served.clock.ahead = 3600
    resolver = started()
    resolver.resolve("support-bot")
    served.clock.ahead = 0
    served.promote(2)
    assert resolver.resolve("support-bot").model == "ft:two"
    served.clock.ahead = -3600
    with served.away():
        assert resolver.resolve("support-bot").model == "ft:two"


def test_a_closed_one_may_be_used_again(served: Served, started: Start) -> None:
    resolver = Threaded(served)
    resolver.resolve("support-bot")
    resolver.close()
    served.clock.ahead = MAX_AGE_SECONDS
    assert resolver.resolve("support-bot").model == "ft:one"
    resolver.close()


def test_a_server_that_lost_its_registry_is_believed_and_said_to_be_stale(
    own_platform: Callable[..., LocalStack], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack = own_platform(own_postgres=True, settings={"resolve_poll_seconds": "0.5", "resolve_max_age_seconds": "1"})
    served = serve(stack, tmp_path_factory.mktemp("answers"))
    served.clock = Clock()
    resolver = Threaded(served, folder=served.folder)
    stack.postgres.kill()
    try:
        until(lambda: int(served.asked().headers.get("age", 0)) >= 2, within=15)
        assert resolver.resolve("support-bot").is_stale
        for _ in range(50):
            found = resolver.resolve("support-bot")
            assert (found.model, found.is_stale, found.age_seconds >= 1) == ("ft:one", True, True)
        assert len(resolver.statuses) < 20  # not a request for every question
        with pytest.raises(Unanswered, match="503"):
            resolver.resolve("support-bot", alias="staging")
    finally:
        stack.postgres.start()
        resolver.close()
