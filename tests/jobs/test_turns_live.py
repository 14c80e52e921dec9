"""Turns from end to end: an account that takes three jobs at a time, and teams that want more of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.stack import Emulator, Platform, Team
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")

MODEL = "gpt-4.1-mini-2025-04-14"  # no other test's
SLOTS, JOBS, ROUNDS = 3, 15, 3


@pytest.fixture
def crowded(emulator: Emulator) -> Iterator[Emulator]:
    """The provider takes three jobs of a model, and its clock stands still."""
    emulator.set(max_active_jobs_per_model=SLOTS)
    emulator.http.post("/_emulator/clock", json={"speed": 0}).raise_for_status()
    yield emulator
    emulator.http.post("/_emulator/clock", json={"speed": 200}).raise_for_status()
    emulator.set(max_active_jobs_per_model=None)


def account(platform: Platform) -> dict[str, Any]:
    """The account all teams of the tests use, however many others a test has made."""
    every = platform.operator.get("/v1/connections?limit=100").json()["data"]
    return next(one for one in every if one["is_default"])


def learned(platform: Platform) -> int | None:
    return next((one["learned"] for one in account(platform)["slots_by_model"] if one["model"] == MODEL), None)


def jobs_of(team: Team) -> dict[str, str]:
    """State by id."""
    return {job["id"]: job["state"] for job in team.member.get("/v1/jobs?limit=100").json()["data"]}


def test_thirty_jobs_of_two_teams_share_an_account_that_takes_three(
    platform: Platform, make_team: Callable[[], Team], crowded: Emulator
) -> None:
    teams = [make_team(), make_team()]
    datasets = [team.ready() for team in teams]
    with ThreadPoolExecutor(10) as crowd:
        for team, dataset in zip(teams, datasets, strict=True):
            crowd.map(lambda _, team=team, dataset=dataset: team.accepted(dataset, model=MODEL), range(JOBS))

    def sent() -> list[int] | None:
        """How many of each team's jobs have gone, once three are there and the others wait again."""
        states = [jobs_of(team) for team in teams]
        every = [state for of_team in states for state in of_team.values()]
        ended, waiting = every.count("succeeded"), every.count("queued")
        on_their_way = every.count("uploading") + every.count("submitting")
        if (ended, waiting, on_their_way) != (SLOTS * rounds, 2 * JOBS - SLOTS * (rounds + 1), 0):
            return None
        return [JOBS - list(of_team.values()).count("queued") for of_team in states]

    rounds, before = 0, [0, 0]
    counts = []
    for rounds in range(ROUNDS + 1):
        now = until(sent, within=60, what=f"{SLOTS} jobs at the provider after {rounds} rounds")
        counts.append([new - old for new, old in zip(now, before, strict=True)])
        assert learned(platform) == SLOTS
        before = now
        crowded.advance(3600)
    assert all(sorted(one) == [1, 2] for one in counts[1:]), counts

    waiting = next(job for job, state in jobs_of(teams[0]).items() if state == "queued")
    told = teams[0].member.get(f"/v1/jobs/{waiting}").json()["waiting"]
    assert told["reason"] == "turn"
    assert 1 <= told["position"] <= told["of"] <= 2 * JOBS
    assert told["eta"] is not None

    crowded.http.post("/_emulator/clock", json={"speed": 200}).raise_for_status()
    for team in teams:
        for job in jobs_of(team):
            assert team.job_in(job, "succeeded", "failed", within=60)["state"] == "succeeded"


def test_a_job_for_which_there_is_no_slot_waits_until_there_is(platform: Platform, team: Team) -> None:
    path = f"/v1/connections/{account(platform)['id']}/slots/{MODEL}"
    assert platform.operator.put(path, {"slots": 0}).is_success
    try:
        job = team.accepted(team.ready(), model=MODEL)
        assert job["waiting"]["reason"] == "turn"
        told = team.member.get(f"/v1/jobs/{job['id']}").json()["waiting"]
        assert (told["position"], told["of"], told["eta"]) == (1, 1, None)
        assert told["message"] == f"Waits for its turn to train {MODEL}: 0 of 0 slots for it are taken."
    finally:
        assert platform.operator.put(path, {"slots": None}).is_success
    assert team.job_in(job["id"], "succeeded")["waiting"] is None
