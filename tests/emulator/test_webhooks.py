"""Webhooks as a receiver meets them: signed, repeated, late, out of order, tried again."""

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from functools import partial
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError

from tests.emulator.world import Emulator, Project, planets
from tests.until import until

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
OTHER_SECRET = "whsec_b3RoZXJvdGhlcm90aGVyMTI="


class Receiver:
    """A server that keeps what is posted to it and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[Message, bytes]] = []
        self.status = 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.got.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(receiver.status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(world: Emulator) -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    for endpoint in world.ask("/webhooks")["webhooks"]:
        world.control.delete(f"/webhooks/{endpoint['id']}")
    receiver.close()


def listen(project: Project, receiver: Receiver, **options: Any) -> str:
    """An endpoint of the project; its id."""
    listening = {"url": receiver.url, "project": project.name, "secret": SECRET, **options}
    return str(project.emulator.tell("/webhooks", **listening)["id"])


def settled(world: Emulator) -> list[dict[str, Any]]:
    """All deliveries, once none is on its way any more."""
    until(lambda: world.ask("/webhooks")["waiting"] == 0)
    return [one for endpoint in world.ask("/webhooks")["webhooks"] for one in endpoint["deliveries"]]


def test_the_end_of_a_job_is_told_and_the_sdk_believes_it(
    world: Emulator, project: Project, receiver: Receiver
) -> None:
    listen(project, receiver)
    succeeded, failed, cancelled = project.submit(), project.submit(b"{}\n"), project.submit()
    project.openai.fine_tuning.jobs.cancel(cancelled)
    world.advance(700)
    until(lambda: len(receiver.got) == 3)  # by itself: nobody has asked about the jobs
    events: list[Any] = [
        project.openai.webhooks.unwrap(body, dict(headers), secret=SECRET) for headers, body in receiver.got
    ]
    assert {(event.type, event.data.id) for event in events} == {
        ("fine_tuning.job.succeeded", succeeded),
        ("fine_tuning.job.failed", failed),
        ("fine_tuning.job.cancelled", cancelled),
    }
    assert {*events[0].to_dict()} == {"id", "object", "type", "created_at", "data"}
    assert events[0].data.to_dict().keys() == {"id"}
    headers, body = receiver.got[0]
    assert headers["user-agent"].startswith("OpenAI/1.0")
    with pytest.raises(InvalidWebhookSignatureError):
        project.openai.webhooks.verify_signature(body + b" ", dict(headers), secret=SECRET)
    with pytest.raises(InvalidWebhookSignatureError):
        project.openai.webhooks.verify_signature(body, dict(headers), secret=OTHER_SECRET)


def test_only_the_project_hears_and_only_what_it_wants(
    world: Emulator, project: Project, other_project: Project, receiver: Receiver
) -> None:
    listen(project, receiver, events=["fine_tuning.job.failed"])
    other_project.submit(b"{}\n")
    project.submit()
    failed = project.submit(b"{}\n")
    world.advance(700)
    assert [one["job"] for one in until(lambda: settled(world))] == [failed]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_tried_again_and_then_given_up(
    world: Emulator, project: Project, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    listen(project, receiver, retry_seconds=[10, 100])
    project.openai.fine_tuning.jobs.cancel(project.submit())
    for tries, seconds in ((1, 10), (2, 100), (3, 1000)):
        until(partial(tried, world, tries))
        world.advance(seconds)
    (delivery,) = settled(world)
    assert (delivery["state"], [one["status"] for one in delivery["attempts"]]) == ("given_up", [status] * 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def tried(world: Emulator, times: int) -> bool:
    return len(deliveries(world)[0]["attempts"]) == times


def deliveries(world: Emulator) -> list[dict[str, Any]]:
    return [one for endpoint in world.ask("/webhooks")["webhooks"] for one in endpoint["deliveries"]]


def test_a_receiver_that_comes_back_gets_it_after_all(world: Emulator, project: Project, receiver: Receiver) -> None:
    receiver.status = 500
    listen(project, receiver)
    project.openai.fine_tuning.jobs.cancel(project.submit())
    until(lambda: deliveries(world)[0]["attempts"])
    receiver.status = 204
    world.advance(5)
    assert [one["state"] for one in settled(world)] == ["delivered"]
    assert len(receiver.got) == 2


def test_events_may_come_twice_and_out_of_order(world: Emulator, project: Project, receiver: Receiver) -> None:
    listen(project, receiver, copies=2, late_seconds=[60, 0])
    jobs = [project.submit(), project.submit()]
    for job in jobs:
        project.openai.fine_tuning.jobs.cancel(job)
    until(lambda: len(receiver.got) == 2)
    world.advance(60)
    settled(world)
    told = [project.openai.webhooks.unwrap(body, dict(headers), secret=SECRET) for headers, body in receiver.got]
    assert [event.data.id for event in told] == [jobs[1], jobs[1], jobs[0], jobs[0]]  # type: ignore[union-attr]
    assert {*Counter(headers["webhook-id"] for headers, _ in receiver.got).values()} == {2}


def test_a_rotated_secret_signs_beside_the_old_one(world: Emulator, project: Project, receiver: Receiver) -> None:
    endpoint = listen(project, receiver)
    world.tell(f"/webhooks/{endpoint}/rotate", secret=OTHER_SECRET, keep_old=True)
    project.openai.fine_tuning.jobs.cancel(project.submit())
    until(lambda: len(receiver.got) == 1)
    headers, body = receiver.got[0]
    for secret in (SECRET, OTHER_SECRET):
        project.openai.webhooks.verify_signature(body, dict(headers), secret=secret)
    world.tell(f"/webhooks/{endpoint}/rotate")
    project.openai.fine_tuning.jobs.cancel(project.submit())
    until(lambda: len(receiver.got) == 2)
    headers, body = receiver.got[1]
    for secret in (SECRET, OTHER_SECRET):
        with pytest.raises(InvalidWebhookSignatureError):
            project.openai.webhooks.verify_signature(body, dict(headers), secret=secret)


def test_nobody_there_is_a_failure_too(world: Emulator, project: Project, receiver: Receiver) -> None:
    listen(project, receiver, url="http://127.0.0.1:1/nobody", retry_seconds=[])
    project.openai.fine_tuning.jobs.cancel(project.submit(planets()))
    (delivery,) = until(lambda: settled(world))
    assert (delivery["state"], delivery["attempts"][0]["status"]) == ("given_up", None)
    assert "Connect" in delivery["attempts"][0]["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"secret": "whsec_?"},
        {"secret": "plain"},
        {"events": ["fine_tuning.job.paused"]},
        {"retry_seconds": 5},
        {"late_seconds": []},
        {"copies": 0},
        {"retries": 1},
    ],
    ids=str,
)
def test_a_wrong_endpoint_is_refused_by_name(world: Emulator, wrong: dict[str, Any]) -> None:
    answer = world.control.post("/webhooks", json={"url": "http://127.0.0.1:1", **wrong})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))
