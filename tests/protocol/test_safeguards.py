"""Each safeguard of docs/protocol.md removed in turn, and what is left beyond the promise.

For each mutation a written schedule must break the mutated protocol and leave the intact one whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.protocol.model import ATTEMPTS_MAX, CALL_LEASE, INTERVAL, fresh, janitor, user_cancels
from tests.protocol.world import LEASE, QUIET, Behaviour, Broken, Guards, World

A, B, C = 0, 1, 2
Schedule = Callable[[World], None]


def dies_after_sending(w: World) -> None:
    """P5: the provider has the job, nobody wrote it down."""
    w.run(A, until="record")
    w.crash(A)
    recover(w)


def recover(w: World, by: int = B) -> None:
    """Let another worker go through a whole recovery, each pass as early as the row allows."""
    for _ in range(4):
        w.turn(by)


def dies_and_the_list_lags(w: World) -> None:
    w.coming = [Behaviour(lag=QUIET - 30)]
    dies_after_sending(w)


def dies_and_the_list_lags_a_little_too_long(w: World) -> None:
    """Just beyond the assumption: invisible at the first counted search, shown by the second."""
    w.coming = [Behaviour(lag=CALL_LEASE + QUIET + INTERVAL - 5)]
    dies_after_sending(w)


def reply_is_lost(w: World) -> None:
    w.coming = [Behaviour("timeout")]
    w.run(A)


def reply_and_metadata_are_lost(w: World) -> None:
    w.coming = [Behaviour("error", strips=True)]
    w.run(A)
    recover(w)


def sleeps_before_the_first_byte(w: World) -> None:
    """P14: another worker goes through a whole recovery while A is about to send."""
    sleep_at(w, "send")


def loses_the_lock_asleep_before_the_check(w: World) -> None:
    """P9 with P14."""
    w.run(A, until="call")
    w.drop_lock(A)
    sleep_at(w, "call")


def sleep_at(w: World, step: str) -> None:
    if w.workers[A].at != step:
        w.run(A, until=step)
    w.workers[A].paused = True
    recover(w)
    w.workers[A].paused = False
    w.run(A)


def sleeps_long_then_sends_and_dies(w: World) -> None:
    """The intent is older than the quiet period when the bytes leave, and the list lags."""
    w.coming = [Behaviour(lag=QUIET - 30)]
    w.run(A, until="send")
    w.now += QUIET + 1
    w.run(A, until="record")
    w.crash(A)
    recover(w)


def late_refusal(w: World, *, lock_lost: bool = True) -> None:
    """A holds a 429 and sleeps; B's own POST succeeds and B dies; A wakes and writes its refusal; C takes over."""
    w.coming = [Behaviour("throttled"), Behaviour(lag=QUIET - 30)]
    w.run(A, until="record")
    w.workers[A].paused = True
    if lock_lost:
        w.drop_lock(A)
    w.now += CALL_LEASE + 1
    w.run(B)
    w.now += QUIET
    w.run(B)
    w.now += INTERVAL
    w.run(B, until="send")
    w.step(B)
    w.crash(B)
    w.workers[A].paused = False
    w.run(A)
    w.now += CALL_LEASE + 1
    w.run(C)


def late_refusal_under_the_lock(w: World) -> None:
    late_refusal(w, lock_lost=False)


def two_stand_before_the_intent(w: World) -> None:
    """P13 with P14: A's lease lapses just before its intent; B sends; A goes on."""
    w.run(A, until="intent")
    w.now += LEASE + 1
    w.run(B, until="record")
    w.run(A)


def late_answer_meets_a_cancel(w: World) -> None:
    """The residual risk (P9 inside the call), then a user's cancel, then A's answer about the second job."""
    w.run(A, until="send")
    w.drop_lock(A)
    recover(w)
    user_cancels(w)
    w.checked = False
    w.step(A)
    assert len(w.live()) == 2
    w.run(A)
    w.checked = True
    w.check()


def user_cancels_in_the_call(w: World) -> None:
    w.run(A, until="record")
    user_cancels(w)


def mutation(name: str, schedule: Schedule, **off: Any) -> Any:
    return pytest.param(Guards(**off), schedule, id=name)


@pytest.mark.parametrize(
    ("guards", "schedule"),
    [
        mutation("no intent", dies_after_sending, intent=False),
        mutation("SDK retries", reply_is_lost, posts_per_call=3),
        mutation("no quiet period", dies_and_the_list_lags, quiet=0),
        mutation("quiet period from the intent", sleeps_long_then_sends_and_dies, quiet_from_look=False),
        mutation("one empty search", dies_and_the_list_lags_a_little_too_long, empty_searches=1),
        mutation("no search without metadata", reply_and_metadata_are_lost, search_without_metadata=False),
        mutation("no lock", sleeps_before_the_first_byte, lock=False),
        mutation("lock not checked before the call", loses_the_lock_asleep_before_the_check, lock_check=False),
        mutation("no fence at record", late_refusal, fence_at_record=False),
        mutation("cancel does not wait", user_cancels_in_the_call, cancel_waits=False),
        mutation(
            "no lock, no fence at intent, intent overwritten",
            two_stand_before_the_intent,
            lock=False,
            fence_at_intent=False,
            intent_if_null=False,
        ),
        mutation(
            "no fence and no IS NULL at record",
            late_answer_meets_a_cancel,
            fence_at_record=False,
            record_if_null=False,
        ),
    ],
)
def test_each_safeguard_is_needed(guards: Guards, schedule: Schedule) -> None:
    schedule(fresh())
    with pytest.raises(Broken):
        schedule(fresh(guards))


@pytest.mark.parametrize(
    ("guards", "schedule"),
    [
        mutation("one search, lag below the quiet period", dies_and_the_list_lags, empty_searches=1),
        mutation("no fence at record, lock alive", late_refusal_under_the_lock, fence_at_record=False),
        mutation("no fence at record, IS NULL stands", late_answer_meets_a_cancel, fence_at_record=False),
        mutation("no IS NULL at record, fence stands", late_answer_meets_a_cancel, record_if_null=False),
        mutation("intent: lock stands", two_stand_before_the_intent, fence_at_intent=False, intent_if_null=False),
        mutation("intent: fence stands", two_stand_before_the_intent, lock=False, intent_if_null=False),
        mutation("intent: IS NULL stands", two_stand_before_the_intent, lock=False, fence_at_intent=False),
    ],
)
def test_harmless_while_another_guard_covers_it(guards: Guards, schedule: Schedule) -> None:
    """Defence in depth, said openly: each of these falls only together with its partner in the table above.

    The second search is margin: it only matters where the list lags beyond the quiet period. The fence at record
    matters once the lock's connection was lost; fence and IS NULL cover each other for a late "created". At the
    intent, the lock, the fence and "never overwritten" are three locks on one door.
    """
    schedule(fresh(guards))


# --- beyond the promise: what is left, and how it is put right ---


def test_a_list_that_lags_beyond_the_quiet_period_costs_one_cancelled_job() -> None:
    w = fresh(None, Behaviour(lag=2 * QUIET + 200))
    w.checked = False
    dies_after_sending(w)
    assert len(w.live()) == 2
    w.now += 2 * QUIET
    janitor(w)
    assert w.live() == [w.job.provider_job_id]
    assert w.alerts == ["duplicate"]


def test_a_lock_lost_between_check_and_first_byte_costs_one_cancelled_job() -> None:
    """P9 at its worst: the sender sleeps for more than the quiet period in that gap, sends, and dies."""
    w = fresh()
    w.run(A, until="send")
    w.drop_lock(A)
    recover(w)
    w.checked = False
    w.step(A)
    w.crash(A)
    assert len(w.live()) == 2
    janitor(w)
    assert w.live() == [w.job.provider_job_id]
    assert w.alerts == ["duplicate"]


def test_a_job_that_shows_after_its_cancel_is_cancelled_by_the_janitor() -> None:
    w = fresh(None, Behaviour("timeout", lag=2 * QUIET))
    w.run(A)
    user_cancels(w)
    w.checked = False
    recover(w)
    assert (w.job.state, w.job.money) == ("cancelled", "released")
    w.now += 2 * QUIET
    janitor(w)
    assert w.live() == []
    assert w.alerts == ["duplicate"]


def test_the_janitor_adopts_what_was_left_without_an_owner() -> None:
    w = fresh()
    w.run(A, until="record")
    w.crash(A)
    janitor(w)
    assert (w.job.state, w.job.provider_job_id) == ("validating_files", 0)


def test_calls_that_never_create_anything_end_in_attention_with_the_money_held() -> None:
    w = fresh(None, *[Behaviour("timeout", creates=False)] * ATTEMPTS_MAX)
    for _ in range(4 * ATTEMPTS_MAX):
        w.turn(A)
    assert (w.job.attention, w.job.money, w.live()) == ("attempts", "held", [])


def test_a_search_that_was_overtaken_cancels_nothing() -> None:
    """Beyond the promise: B lists both jobs while C records the younger, all it was shown; that one must live."""
    w = fresh(None, Behaviour("timeout", lag=2 * QUIET), Behaviour("timeout"))
    w.checked = False
    recover(w, by=A)
    w.turn(B, until="search")
    w.drop_lock(B)
    w.turn(C, until="record")
    w.now += 2 * QUIET
    w.run(B, until="record")
    w.run(C)
    w.run(B)
    assert w.live() == [0, 1]
    janitor(w)
    assert w.live() == [1] == [w.job.provider_job_id]
