"""Following many jobs by asking little, each event once, and looking sooner at what somebody watches or is told of."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Thread
from typing import Any

import pytest

from service.jobs import State, flows
from service.kit import clock
from service.kit.ids import new_id, show
from service.kit.locks import try_lock
from tests.conftest import Launch
from tests.jobs.following import KINDS, SECRET, Fleet, Site, age_webhooks, hook_url, send
from tests.until import until
from workers.schedule import purge_provider_webhooks

JOBS = 7


@pytest.fixture(scope="module")
def site(launch: Launch) -> Iterator[Site]:
    with ExitStack() as cleanup:
        yield Site(launch(cleanup, settings={"follow_seconds": "1"}))


@pytest.fixture(autouse=True)
def _emulator_behaves(site: Site) -> Iterator[None]:
    site.count()
    yield
    site.emulator.http.delete("/_emulator/faults")
    site.emulator.set(list_lag_seconds=0, duplicate_events=False, unstable_event_ids=False, has_more_always=False)


@pytest.fixture(scope="module")
def fleet(site: Site) -> Fleet:
    """Many jobs, for looks that leave them as they were or move them on together."""
    return site.fleet(JOBS)


# ---------------------------------------------------------------------------------------------------------- the list
def test_jobs_without_news_cost_one_list_together_and_are_not_claimed(fleet: Fleet) -> None:
    before = [row.fence for row in fleet.rows()]
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": 0}
    assert fleet.states() == {State.VALIDATING_FILES: JOBS}
    assert [row.fence for row in fleet.rows()] == before
    assert len({round(left, 2) for left in fleet.seconds_left()}) > JOBS / 2, "they come back together"


def test_jobs_that_are_due_soon_ride_along_and_later_ones_do_not(fleet: Fleet) -> None:
    fleet.make_due(seconds=0.9)
    flows.follow(fleet.jobs)
    assert fleet.site.counted()["list"] == 0
    fleet.make_due(only=1)
    flows.follow(fleet.jobs[:1])
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": 0}
    assert min(fleet.seconds_left()) > 0.5
    fleet.make_due(seconds=30)
    flows.follow(fleet.jobs)
    assert fleet.site.counted()["list"] == 0


def test_a_list_that_somebody_reads_is_not_read_by_another(fleet: Fleet) -> None:
    with try_lock(f"list:{fleet.account.id}"):
        fleet.follow()
    assert fleet.site.counted() == {"list": 0, "retrieve": 0, "events": 0}
    assert max(fleet.seconds_left()) < 0, "they stay due"


def test_what_is_woken_while_the_list_is_read_is_looked_at_again(fleet: Fleet) -> None:
    fleet.emulator.http.delete("/_emulator/faults")
    held = fleet.emulator.fault(kind="hold", **KINDS["list"])
    looking = Thread(target=fleet.follow)
    looking.start()
    until(lambda: fleet.emulator.faults()["held"], what="the list to be asked for")
    fleet.make_due()
    fleet.emulator.release(held)
    looking.join()
    assert max(fleet.seconds_left()) < 0


def test_a_job_the_list_does_not_show_yet_is_asked_for_by_itself(fleet: Fleet) -> None:
    fleet.emulator.set(list_lag_seconds=3600)
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": JOBS, "events": 0}


def test_an_account_that_does_not_answer_is_asked_once_and_later_again(fleet: Fleet) -> None:
    fleet.emulator.http.delete("/_emulator/faults")
    for kind in KINDS.values():
        fleet.emulator.fault(kind="status", status=500, times=None, **kind)
    fleet.follow()
    assert [one["hits"] for one in fleet.emulator.faults()["faults"]] == [1, 0, 0]
    assert min(fleet.seconds_left()) > 0, "put off together"
    fleet.site.count()
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": 0}


def test_an_account_that_lists_nothing_is_asked_job_by_job(fleet: Fleet) -> None:
    fleet.emulator.http.delete("/_emulator/faults")
    fleet.emulator.fault(kind="status", status=404, times=None, **KINDS["list"])
    fleet.emulator.fault(kind="delay", delay_seconds=0, times=None, **KINDS["retrieve"])
    fleet.follow()
    assert [one["hits"] for one in fleet.emulator.faults()["faults"]] == [1, JOBS]


def test_only_jobs_with_news_are_asked_about_and_running_ones_rarely_unless_watched(fleet: Fleet) -> None:
    fleet.emulator.advance(12)
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": JOBS}
    assert fleet.states() == {State.RUNNING: JOBS}
    fleet.emulator.advance(1)
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": 0}
    fleet.team.viewer.get(f"/v1/jobs/{fleet.shown[0]}/events")
    until(lambda: any(row.watched_until for row in fleet.rows()), what="the reader to be told of")
    fleet.follow()
    assert fleet.site.counted() == {"list": 1, "retrieve": 0, "events": 1}


def test_jobs_that_had_ended_when_they_were_found_end_with_all_they_have_to_tell(fleet: Fleet) -> None:
    fleet.emulator.advance(3600)
    fleet.change(provider_status="succeeded")
    fleet.follow()
    assert fleet.states() == {State.SUCCEEDED: JOBS}
    assert fleet.team.member.get(f"/v1/jobs/{fleet.shown[-1]}/metrics").json()["data"]


def test_a_job_that_was_asked_in_vain_is_left_alone_for_its_pause_whatever_the_list_says(site: Site) -> None:
    """It has succeeded, but its model has no name yet: asked at each list, it would be given up within minutes."""
    fleet = site.fleet(JOBS)
    site.emulator.advance(3600)
    fleet.change(provider_status="succeeded", attempts=3)
    fleet.make_due(seconds=300)
    fleet.make_due(only=JOBS - 1)
    flows.follow(fleet.jobs)
    assert fleet.states() == {State.SUCCEEDED: JOBS - 1, State.VALIDATING_FILES: 1}
    assert [row.attempts for row in fleet.rows()][-1] == 3
    fleet.make_due(seconds=0.9)
    fleet.follow()
    assert fleet.states() == {State.SUCCEEDED: JOBS}


# -------------------------------------------------------------------------------------------------------------- events
def test_a_job_whose_failure_takes_many_words_ends_with_all_of_them(site: Site) -> None:
    """More than an index of the database can hold."""
    words = random.Random(0)
    flagged = ", ".join(str(words.randrange(10**9)) for _ in range(5_000))
    site.emulator.http.post("/_emulator/fates", json={"kind": "fails", "message": f"Flagged lines: {flagged}"})
    fleet = site.fleet(1)
    site.emulator.advance(3600)
    fleet.follow()
    assert fleet.states() == {State.FAILED: 1}
    assert [event.message for event in fleet.events()].count(f"Flagged lines: {flagged}") == 1


def test_each_event_is_told_once_in_order_and_numbered_without_gaps(site: Site) -> None:
    """Although the provider tells it twice, under another id each time, and claims that more follows."""
    fleet = site.fleet(1)
    site.emulator.set(duplicate_events=True, unstable_event_ids=True, has_more_always=True)
    for _ in range(12):
        site.emulator.advance(6)
        fleet.change(events_asked_at=None)
        fleet.follow()
    assert fleet.states() == {State.SUCCEEDED: 1}
    site.emulator.set(duplicate_events=False, has_more_always=False)
    site.emulator.set(unstable_event_ids=False)
    told, events = fleet.told(), fleet.events()
    assert Counter(event.message for event in events) == Counter(event["message"] for event in told)
    assert [event.at for event in events] == sorted(event.at for event in events)
    every = fleet.team.member.get(f"/v1/jobs/{fleet.shown[0]}/events?limit=500").json()["data"]
    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))


# --------------------------------------------------------------------------------------------------- looked at sooner
def test_a_job_that_somebody_begins_to_watch_is_looked_at_now_and_closely(site: Site) -> None:
    fleet = site.fleet(1)
    fleet.make_due(seconds=300)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: fleet.team.viewer.get(f"/v1/jobs/{fleet.shown[0]}?wait=30"))
        until(lambda: max(fleet.seconds_left()) < 0, what="the job to be due")
        watched_until = fleet.rows()[0].watched_until
        assert watched_until is not None
        assert 80 < (watched_until - clock.now()).total_seconds() < 91
        site.emulator.advance(12)
        flows.follow(fleet.jobs)
        assert waiting.result().json()["state"] == "running"
    fleet.site.count()
    fleet.follow()
    assert fleet.site.counted()["events"] == 1, "as long as it trains it has news for whoever watches"


def test_a_webhook_cuts_a_long_pause_short(site: Site) -> None:
    fleet = site.fleet(1)
    hook = {"url": hook_url(fleet), "project": fleet.project, "secret": SECRET, "retry_seconds": [], "copies": 2}
    assert site.emulator.http.post("/_emulator/webhooks", json=hook).is_success
    fleet.make_due(seconds=300)
    site.emulator.advance(3600)
    until(lambda: max(fleet.seconds_left()) < 0, what="the job to be due")
    flows.follow(fleet.jobs)
    assert fleet.states() == {State.SUCCEEDED: 1}
    until(lambda: not site.emulator.http.get("/_emulator/webhooks").json()["waiting"], what="both copies to be taken")
    (endpoint,) = site.emulator.http.get("/_emulator/webhooks").json()["webhooks"]
    assert [one["state"] for one in endpoint["deliveries"]] == ["delivered", "delivered"]
    assert fleet.webhooks_kept() == 1
    age_webhooks(site, days=3)
    purge_provider_webhooks()
    assert fleet.webhooks_kept() == 1
    age_webhooks(site, days=2)
    purge_provider_webhooks()
    assert fleet.webhooks_kept() == 0


def test_only_a_genuine_webhook_is_a_hint_and_a_refusal_tells_nothing(fleet: Fleet) -> None:
    told = {"type": "fine_tuning.job.failed", "data": {"id": fleet.rows()[0].provider_job_id}}
    refused = [
        send(fleet, told, secret="whsec_b3RoZXI="),
        send(fleet, told, age=301),
        send(fleet, told, age=-310),
        send(fleet, told, connection=show("conn", new_id())),
        send(fleet, told, connection="conn_nonsense"),
        send(fleet, told, connection=show("conn", fleet.default_account())),
        send(fleet, told, headers={"webhook-signature": "v1,", "webhook-timestamp": "soon"}),
    ]
    assert {(one.status_code, one.json()["code"], one.json()["detail"]) for one in refused} == {
        (401, "webhook_refused", refused[0].json()["detail"])
    }
    for header in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        answer = send(fleet, told, headers={header: ""})
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_incomplete")
    assert send(fleet, {"type": "x" * 70_000}).status_code == 413


def test_what_a_genuine_webhook_says_besides_is_ignored(fleet: Fleet) -> None:
    events: list[Any] = [
        {"type": "fine_tuning.job.succeeded", "data": {"id": "ftjob-unknown"}},
        {"type": "fine_tuning.job.succeeded", "data": {"id": "nul\0"}},
        {"type": "response.completed", "data": {"id": "resp_1"}},
        {"data": None},
        [],
        None,
    ]
    for event in events:
        assert send(fleet, event).json() == {"status": "taken"}


# -------------------------------------------------------------------------------------------------------------- pauses
def test_a_job_is_paused_resumed_and_cancelled_while_paused(site: Site) -> None:
    fleet = site.fleet(1)
    site.emulator.advance(12)
    fleet.follow()

    def ask(verb: str) -> str | None:
        answer = fleet.team.member.post(f"/v1/jobs/{fleet.shown[0]}/{verb}")
        assert answer.status_code == 202, answer.text
        wish: str | None = answer.json().get("wish")
        flows.follow(fleet.jobs)
        return wish

    assert (ask("pause"), fleet.states()) == ("pause", {State.PAUSED: 1})
    assert (ask("pause"), fleet.states(), fleet.remote()["status"]) == (None, {State.PAUSED: 1}, "paused")
    assert (ask("resume"), fleet.states()) == ("resume", {State.PROVIDER_QUEUED: 1})
    site.emulator.advance(6)
    fleet.follow()
    assert fleet.states() == {State.RUNNING: 1}
    assert (ask("resume"), ask("pause"), fleet.states()) == (None, "pause", {State.PAUSED: 1})
    ask("cancel")
    assert (fleet.states(), fleet.remote()["status"]) == ({State.CANCELLED: 1}, "cancelled")
    assert fleet.rows()[0].wish is None
    over = fleet.team.member.post(f"/v1/jobs/{fleet.shown[0]}/pause")
    assert (over.status_code, over.json()["code"]) == (409, "job_is_over")


def test_the_provider_refuses_to_pause_and_an_event_tells_why(site: Site) -> None:
    fleet = site.fleet(1)
    assert fleet.team.member.post(f"/v1/jobs/{fleet.shown[0]}/pause").status_code == 202
    flows.follow(fleet.jobs)
    assert (fleet.states(), fleet.rows()[0].wish) == ({State.VALIDATING_FILES: 1}, None)
    said = fleet.events("tuneplane")[-1].message
    assert said.startswith("The provider refused to pause the job: ")
    assert "validating_files" in said


def test_a_pause_whose_answer_was_lost_is_passed_on_again(site: Site) -> None:
    fleet = site.fleet(1)
    site.emulator.advance(12)
    fleet.follow()
    site.emulator.fault(kind="create_then_500", method="POST", path="/pause$")
    assert fleet.team.member.post(f"/v1/jobs/{fleet.shown[0]}/pause").status_code == 202
    flows.follow(fleet.jobs)
    assert (fleet.states(), fleet.rows()[0].wish) == ({State.RUNNING: 1}, "pause")
    fleet.follow()
    assert (fleet.states(), fleet.rows()[0].wish) == ({State.PAUSED: 1}, None)
    assert not [one for one in fleet.events("tuneplane") if "refused" in one.message]


def test_a_job_the_provider_does_not_have_yet_cannot_be_paused(site: Site, fleet: Fleet) -> None:
    dataset = fleet.team.member.get("/v1/datasets").json()["data"][0]["id"]
    queued = fleet.team.accepted(dataset)["id"]
    for verb in ("pause", "resume"):
        answer = fleet.team.member.post(f"/v1/jobs/{queued}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_at_provider")
