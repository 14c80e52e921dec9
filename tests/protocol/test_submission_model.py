"""The promises of docs/protocol.md, explored by drawn schedules: who steps, dies, sleeps; what the provider does; when.

Everything is derandomised: the same run every time. Each safeguard alone is in test_safeguards.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, example, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tests.protocol.model import CALL_LEASE, INTERVAL, POLL, fresh, janitor, user_cancels
from tests.protocol.world import LEASE, QUIET, TERMINAL, Behaviour, Broken, Guards, World

A, B, C = 0, 1, 2
Action = tuple[Any, ...]

# Within the assumption: delay + lag stays below the quiet period.
behaviours = st.builds(
    Behaviour,
    reply=st.sampled_from(["created", "created", "error", "timeout", "refused", "throttled"]),
    creates=st.booleans(),
    delay=st.sampled_from([0, 25]),
    lag=st.sampled_from([0, 40, QUIET - 30]),
    strips=st.booleans(),
)
who = st.sampled_from([A, B, C])
stops = st.sampled_from(["lock", "reread", "search", "intent", "call", "send", "record", "unlock", "idle"])
actions: st.SearchStrategy[Action] = st.one_of(
    st.tuples(st.just("step"), who),
    st.tuples(st.just("run"), who, stops),
    st.tuples(st.just("turn"), who, stops),
    st.tuples(st.just("turn"), who, st.just("idle")),
    st.tuples(st.just("turn"), who, st.just("record")),
    st.tuples(st.just("wait"), st.sampled_from([1, INTERVAL, LEASE + 1, CALL_LEASE + 1, QUIET])),
    st.tuples(st.just("crash"), who),
    st.tuples(st.just("pause"), who),
    st.tuples(st.just("resume"), who),
    st.tuples(st.just("drop_lock"), who),
    st.tuples(st.just("post"), behaviours),
    st.tuples(st.sampled_from(["hint", "cancel", "janitor", "finish"])),
)
schedules = st.lists(actions, min_size=5, max_size=40)


def play(w: World, schedule: list[Action]) -> None:
    for name, *args in schedule:
        act(w, name, *args)


def act(w: World, name: str, *args: Any) -> None:
    match name:
        case "step" | "run" | "turn" | "crash" | "hint":
            getattr(w, name)(*args)
        case "wait":
            w.now += args[0]
        case "pause" | "resume":
            w.workers[args[0]].paused = name == "pause"
        case "drop_lock":
            if w.workers[args[0]].at != "send":  # the residual risk; it has a test of its own below
                w.drop_lock(*args)
        case "post":
            w.coming.append(args[0])
        case "cancel":
            user_cancels(w)
        case "janitor":
            janitor(w)
        case "finish":
            finish(w)


def finish(w: World) -> None:
    for remote in w.remotes:
        if remote.state == "live" and remote.visible_at <= w.now:
            remote.state = "succeeded"


def settle_down(w: World, seconds_max: int) -> None:
    """No more faults: sleepers wake, the provider is well and finishes what it has; stop when the job is at rest."""
    w.coming.clear()
    for worker in w.workers:
        worker.paused = False
    deadline = w.now + seconds_max
    while w.job.state not in TERMINAL and not w.job.attention:
        assert w.now <= deadline, f"not at rest: {w.job}"
        for one in (A, B, C):
            w.run(one)
        finish(w)
        w.now += 5


@settings(derandomize=True, max_examples=2000, deadline=None, database=None)
@given(schedules)
@example([("run", A, "reread"), ("turn", B, "lock"), ("cancel",), ("step", B)])  # found once: a cancel, then a back-off
def test_every_schedule_keeps_the_promises_and_comes_to_rest(schedule: list[Action]) -> None:
    """S, the money and the terminal states hold after each step; L: at rest soon after the faults stop."""
    w = fresh()
    play(w, schedule)
    settle_down(w, seconds_max=CALL_LEASE + QUIET + INTERVAL + 4 * POLL + 40)
    w.check()


@pytest.mark.parametrize(
    "off",
    [
        {"intent": False},
        {"posts_per_call": 3},
        {"quiet": 0, "empty_searches": 1},
        {"search_without_metadata": False},
        {"cancel_waits": False},
    ],
    ids=str,
)
def test_hypothesis_finds_the_plain_ones_by_itself(off: dict[str, Any]) -> None:
    """The random exploration has teeth: without being shown a schedule, it breaks these mutations."""

    def breaks(schedule: list[Action]) -> bool:
        try:
            play(fresh(Guards(**off)), schedule)
        except Broken:
            return True
        return False

    quick = settings(derandomize=True, max_examples=6000, database=None, phases=[Phase.generate])
    try:
        find(schedules, breaks, settings=quick)
    except NoSuchExample:
        pytest.fail("no schedule found")
