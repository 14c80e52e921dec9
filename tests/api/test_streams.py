"""A job's history as it happens, through a running API."""

import json
import random
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from service.cli.local import LocalStack
from tests.api.sse import Sent, stream
from tests.api.watching import Quiet, Watched, events_of
from tests.stack import Emulator, Team
from tests.until import until


def test_a_job_is_seen_live_from_its_first_event_to_its_last(
    team: Team, workers: LocalStack, emulator: Emulator
) -> None:
    job = team.accepted(team.ready())["id"]
    with stream(team.viewer, job) as reader:
        headers = reader.response.headers
        sent = list(reader)
    assert headers["content-type"] == "text/event-stream"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert (sent[0].retry or 0) >= 1000
    shown = team.member.get(f"/v1/jobs/{job}").json()
    assert events_of(sent) == team.member.get(f"/v1/jobs/{job}/events?limit=500").json()["data"]
    assert [one.id for one in sent if one.id] == [str(n + 1) for n in range(shown["events"])]
    assert (sent[-1].event, sent[-1].id) == ("done", None)
    then = json.loads(sent[-1].data) | {"collected_at": shown["collected_at"]}  # its files are fetched after its end
    assert then == shown
    assert (shown["object"], shown["state"]) == ("job", "succeeded")


def test_a_stream_cut_fifty_times_delivers_each_event_once_and_in_order(watched: Watched) -> None:
    """Cut at any byte, also in the middle of an event, while events go on being written."""
    dice, batches = random.Random(50), [random.Random(51).randint(1, 9) for _ in range(90)]

    def write() -> None:
        for n, batch in enumerate(batches):
            watched.say(*(f"{n}.{m}" for m in range(batch)))
        watched.cancel()

    writer = threading.Thread(target=write)
    writer.start()
    received: list[Sent] = []
    cuts = 0
    while not (received and received[-1].event == "done"):
        last = next((one.id for one in reversed(received) if one.id), None)
        left = dice.randint(1, 2500) if cuts < 50 else 10**9
        with stream(watched.client, watched.job, last=last) as reader:
            for chunk in reader.response.iter_text():
                received += reader.feed(chunk[:left])
                left -= len(chunk)
                if left <= 0:
                    cuts += 1
                    break
    writer.join()
    assert cuts == 50
    assert events_of(received) == watched.history()
    assert [event["seq"] for event in watched.history()] == list(range(1, sum(batches) + 3))


def test_a_stream_begins_exactly_after_the_event_one_has(watched: Watched) -> None:
    watched.say(*(str(n) for n in range(250)))
    watched.cancel()
    for after, last, first in ((None, None, 1), (7, None, 8), (None, "100", 101), (7, "251", 252)):
        with stream(watched.client, watched.job, after=after, last=last) as reader:
            sent = list(reader)
        assert [event["seq"] for event in events_of(sent)] == list(range(first, 253))
        assert sent[-1].event == "done"
    for last in ("252", "4000"):  # nothing is left to be said but that it is over
        with stream(watched.client, watched.job, last=last) as reader:
            assert [one.event for one in reader] == [None, "done"]
    nonsense = watched.client.get(f"/v1/jobs/{watched.job}/events/stream", headers={"last-event-id": "x"})
    assert (nonsense.status_code, nonsense.json()["code"]) == (422, "invalid_request")


def test_an_event_is_seen_at_once(watched: Watched) -> None:
    with stream(watched.client, watched.job, after=1) as reader:
        sent = iter(reader)
        assert next(sent).retry
        took = []
        for n in range(5):
            watched.say(f"at {n}")
            started = time.monotonic()
            event = next(one for one in sent if one.id)
            took.append(time.monotonic() - started)
            assert json.loads(event.data)["message"] == f"at {n}"
    assert sorted(took)[2] < 0.5  # by notification: the poll comes once a second


def test_a_break_in_the_providers_words_makes_no_event_of_its_own(watched: Watched) -> None:
    said = "one\n\nid: 77\nevent: done\r\ndata: {}\r\r\u2028two"
    watched.say(said, text=said)
    watched.cancel()
    with stream(watched.client, watched.job) as reader:
        sent = list(reader)
    assert [event["seq"] for event in events_of(sent)] == [1, 2, 3]
    assert (events_of(sent)[1]["message"], events_of(sent)[1]["data"]) == (said, {"text": said})


def test_each_team_watches_its_own_jobs_only(quiet: Quiet, watched: Watched) -> None:
    stranger = quiet.watched()
    foreign = stranger.client.get(f"/v1/jobs/{watched.job}/events/stream")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "job_not_found")
    refused = watched.team.resolver.get(f"/v1/jobs/{watched.job}/events/stream")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    with stream(watched.client, watched.job) as ours, stream(stranger.client, stranger.job) as theirs:
        for n in range(20):
            watched.say(f"ours {n}")
            stranger.say(f"theirs {n}")
        watched.cancel()
        stranger.cancel()
        for reader, word, job in ((ours, "ours", watched.job), (theirs, "theirs", stranger.job)):
            sent = list(reader)
            assert [event["message"] for event in events_of(sent)][1:-1] == [f"{word} {n}" for n in range(20)]
            assert json.loads(sent[-1].data)["id"] == job


def test_a_team_has_so_many_streams_and_no_more(quiet: Quiet, watched: Watched) -> None:
    path = f"/v1/jobs/{watched.job}/events/stream"

    def opens() -> bool:
        with watched.client.http.stream("GET", path) as response:
            return response.status_code == 200

    with ExitStack() as streams:
        readers = [streams.enter_context(stream(watched.client, watched.job)) for _ in range(8)]
        refused = watched.client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert (refused.json()["facts"], int(refused.headers["retry-after"])) == ({"streams": 8}, 1)
        stranger = quiet.watched()
        with stream(stranger.client, stranger.job):
            pass
        readers[0].response.close()
        until(opens, within=3, what="the place of the stream that was closed")
    watched.cancel()
    for _ in range(10):  # streams that end by themselves give their places back too
        assert watched.client.get(path).text.count("event: done") == 1


def test_a_silent_stream_is_heard_of(watched: Watched) -> None:
    with stream(watched.client, watched.job, after=1) as reader:
        comments = [one.comment for _, one in zip(range(4), reader, strict=False)]
    assert comments == [None, "ping", "ping", "ping"]


def test_head_says_what_get_would_and_keeps_no_stream_open(watched: Watched) -> None:
    for _ in range(10):  # more than the team may have open
        head = watched.client.http.head(f"/v1/jobs/{watched.job}/events/stream")
        assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/event-stream", b"")


def test_the_guides_example_follows_a_job_through_cuts(quiet: Quiet, watched: Watched) -> None:
    guide = (Path(__file__).parents[2] / "docs/watching.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own guide
    with quiet.another_api("guided", stream_lifetime_seconds="1") as url:
        log, seen = quiet.stack.processes.log("guided"), []
        for event in names["follow"](url, watched.client.key, watched.job):
            seen.append(event)
            if len(seen) < 4:
                watched.say("on and on")
            elif len(seen) == 4:
                until(lambda: "events/stream" in log.read_text(), what="the first stream to have ended")
                watched.cancel()
    assert seen[:-1] == watched.history()
    assert seen[-1]["state"] == "cancelled"
