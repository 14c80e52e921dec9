"""States, the words of a provider, and what an empty search proves."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs.rules import (
    ARROWS,
    TERMINAL,
    TO_FOLLOW,
    TO_PREPARE,
    TO_SUBMIT,
    Search,
    State,
    Wish,
    after_empty_search,
    is_met,
    may_follow,
    pause_before_next_look,
    seed_of,
    state_told,
    submit_key,
    tokens_trained,
)

STATUSES = ["validating_files", "queued", "running", "succeeded", "failed", "cancelled", "paused", "created", "🦑", ""]
QUIET, INTERVAL = timedelta(seconds=180), timedelta(seconds=10)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_every_state_has_its_arrows_and_every_state_can_be_reached() -> None:
    assert set(ARROWS) == set(State)
    reached = {State.WAITING_FOR_DATASET}.union(*ARROWS.values())
    assert reached == set(State)


def test_terminal_states_are_those_without_arrows() -> None:
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} == TERMINAL


def test_every_live_state_is_somebodys_work() -> None:
    assert set(State) - TERMINAL == TO_PREPARE | TO_SUBMIT | TO_FOLLOW | {State.CANCELLING}


def test_from_every_live_state_an_end_can_be_reached() -> None:
    for state in set(State) - TERMINAL:
        seen, front = {state}, [state]
        while front:
            fresh = ARROWS[front.pop()] - seen
            seen |= fresh
            front.extend(fresh)
        assert seen & TERMINAL, state


@given(st.sampled_from(State), st.lists(st.sampled_from(STATUSES)))
def test_whatever_a_provider_says_no_illegal_arrow_is_taken_and_no_end_left(start: State, told: list[str]) -> None:
    state = start
    for status in told:
        following = state_told(state, status)
        assert following == state or may_follow(state, following)
        if state in TERMINAL:
            assert following == state
        state = following


@pytest.mark.parametrize("status", ["halted", "created", "🦑", ""])
def test_an_unknown_status_changes_nothing(status: str) -> None:
    for state in State:
        assert state_told(state, status) == state


def test_a_cancelling_job_goes_on_cancelling_until_the_provider_says_how_it_ended() -> None:
    assert state_told(State.CANCELLING, "running") == State.CANCELLING
    assert state_told(State.CANCELLING, "succeeded") == State.SUCCEEDED


@given(st.uuids())
def test_a_job_has_one_submission_key_per_environment(job: UUID) -> None:
    assert submit_key("prod", job) == submit_key("prod", job)
    assert submit_key("prod", job) != submit_key("staging", job)
    assert len(submit_key("prod", job)) <= 40


@given(st.uuids())
def test_a_chosen_seed_is_one_a_provider_takes(job: UUID) -> None:
    assert 0 <= seed_of(job) < 2**31
    assert seed_of(job) == seed_of(job)


def test_the_providers_count_of_trained_tokens_is_taken_as_it_is() -> None:
    assert tokens_trained(told=123, step=1, steps=9, planned=900, succeeded=True) == (123, False)
    assert tokens_trained(told=0, step=1, steps=9, planned=900, succeeded=False) == (0, False)


def test_a_success_without_a_count_was_trained_as_planned_and_a_stop_by_its_share_of_steps() -> None:
    assert tokens_trained(told=None, step=0, steps=0, planned=900, succeeded=True) == (900, True)
    assert tokens_trained(told=None, step=3, steps=9, planned=900, succeeded=False) == (300, True)
    assert tokens_trained(told=None, step=0, steps=0, planned=900, succeeded=False) == (0, False)


@given(st.integers(0, 10**9), st.integers(-1, 10**4), st.integers(0, 10**4))
def test_a_stopped_job_is_never_charged_more_than_planned(planned: int, step: int, steps: int) -> None:
    tokens, _ = tokens_trained(told=None, step=max(step, 0), steps=steps, planned=planned, succeeded=False)
    assert 0 <= tokens <= planned


def verdict(asked_at: datetime, searched_at: datetime | None, searches: int) -> Search:
    return after_empty_search(
        asked_at, searched_at=searched_at, searches=searches, quiet=QUIET, interval=INTERVAL
    ).search


def test_a_job_was_never_created_only_after_a_first_look_a_quiet_period_and_two_empty_searches() -> None:
    assert verdict(NOON, None, 0) is Search.FIRST_LOOK
    assert verdict(NOON + QUIET - timedelta(seconds=1), NOON, 0) is Search.TOO_EARLY
    assert verdict(NOON + QUIET, NOON, 0) is Search.EMPTY_ONCE
    first = NOON + QUIET
    assert verdict(first + INTERVAL - timedelta(seconds=1), first, 1) is Search.TOO_EARLY
    assert verdict(first + INTERVAL, first, 1) is Search.NEVER_CREATED


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40))
def test_no_hurry_shortens_the_quiet_period(pauses: list[int]) -> None:
    now, searched_at, searches, first = NOON, None, 0, NOON
    for pause in pauses:
        now += timedelta(seconds=pause)
        said = verdict(now, searched_at, searches)
        if said is Search.FIRST_LOOK:
            searched_at = first = now
        elif said is Search.EMPTY_ONCE:
            searched_at, searches = now, 1
        elif said is Search.NEVER_CREATED:
            assert now - first >= QUIET + INTERVAL
            return


def test_two_jobs_have_two_keys() -> None:
    assert submit_key("prod", uuid4()) != submit_key("prod", uuid4())


@given(st.sampled_from(State), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_a_job_is_looked_at_again_within_five_minutes_and_not_before_the_shortest_pause(
    state: State, waited: timedelta
) -> None:
    assert 15 <= pause_before_next_look(state, waited, shortest=15, is_watched=False) <= 300
    assert pause_before_next_look(state, waited, shortest=15, is_watched=True) == 15


@pytest.mark.parametrize(
    ("wish", "status", "met"),
    [
        (Wish.PAUSE, "paused", True),
        (Wish.PAUSE, "running", False),
        (Wish.PAUSE, "pausing", False),  # an unknown one shows nothing
        (Wish.RESUME, "paused", False),
        (Wish.RESUME, "queued", True),
    ],
)
def test_a_wish_is_met_when_the_providers_status_shows_it(wish: Wish, status: str, met: bool) -> None:
    assert is_met(wish, status) is met
