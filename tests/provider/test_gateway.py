"""What the gateway makes of answers no emulator gives."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from service.kit.ids import new_id
from service.provider.errors import RateLimited, Unknown
from service.provider.openai import gateway
from service.provider.shapes import Credentials, JobOrder

pytestmark = pytest.mark.usefixtures("database")  # where accounts have their circuits

ORDER = JobOrder(
    key="tp1_key", model="gpt-4o-mini-2024-07-18", training_file="file-1", validation_file=None,
    suffix=None, seed=1, hyperparameters={"n_epochs": 1},
)  # fmt: skip
JOB = {
    "id": "ftjob-1",
    "object": "fine_tuning.job",
    "status": "queued",
    "model": ORDER.model,
    "training_file": "file-1",
}


class Server(HTTPServer):
    """Gives one answer to everything."""

    answer: tuple[int, dict[str, str], Any]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        status, headers, body = self.server.answer
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(content))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def credentials(server: Server) -> Credentials:
    return Credentials("compatible", f"http://127.0.0.1:{server.server_port}/v1", "sk-test", account=new_id())


@pytest.mark.parametrize(
    ("told", "pause"),
    [("130", 130.0), ("0", 1.0), ("-5", 1.0), ("inf", 3600.0), ("86400000", 3600.0), ("nan", None), ("soon", None)],
)
def test_a_retry_after_slows_us_down_but_never_stops_us(server: Server, told: str, pause: float | None) -> None:
    server.answer = 429, {"Retry-After": told}, {"error": {"message": "Slower.", "code": "rate_limit_exceeded"}}
    with pytest.raises(RateLimited) as caught:
        gateway.create_job(credentials(server), ORDER)
    assert caught.value.retry_after_seconds == pause


@pytest.mark.parametrize("created_at", [1e300, 10**17, -(10**17), "yesterday", None])
def test_a_job_whose_answer_cannot_be_read_may_exist(server: Server, created_at: object) -> None:
    server.answer = 200, {}, JOB | {"created_at": created_at}
    with pytest.raises(Unknown):
        gateway.create_job(credentials(server), ORDER)


def test_an_events_words_can_be_stored_whatever_they_are(server: Server) -> None:
    data = {"step": 7, "train_loss": float("nan"), "notes": ["a\0b", float("inf"), {"c\0": 1.5}], "train": True}
    event = {"id": "ftevent-1", "object": "fine_tuning.job.event", "created_at": 1, "level": "info", "type": "metrics"}
    server.answer = 200, {}, {"object": "list", "data": [event | {"message": "Step 7\0", "data": data}]}
    (told,) = gateway.new_events(credentials(server), "ftjob-1")
    assert told.message == "Step 7\ufffd"
    assert told.data == {"step": 7, "train_loss": None, "notes": ["a\ufffdb", None, {"c\ufffd": 1.5}], "train": True}


@pytest.mark.parametrize("absent", ["level", "type", "message", "data"])
def test_an_event_may_leave_out_what_it_likes(server: Server, absent: str) -> None:
    event = {"id": "ftevent-1", "created_at": 1, "level": "info", "type": "message", "message": "No.", "data": {}}
    words = "" if absent == "message" else "No."
    for told_so in (event | {absent: None}, {name: value for name, value in event.items() if name != absent}):
        server.answer = 200, {}, {"object": "list", "data": [told_so]}
        (told,) = gateway.new_events(credentials(server), "ftjob-1")
        assert (told.level, told.type, told.message, told.data) == ("info", "message", words, {})


def test_a_character_that_was_cut_in_two_is_replaced(server: Server) -> None:
    event = {"id": "ftevent-1", "created_at": 1, "message": "cut \ud83d", "data": {"whole": "\ud83d\ude00"}}
    server.answer = 200, {}, {"object": "list", "data": [event]}
    (told,) = gateway.new_events(credentials(server), "ftjob-1")
    assert (told.message, told.data) == ("cut \ufffd", {"whole": "\U0001f600"})


def test_an_errors_words_can_be_stored_whatever_they_are(server: Server) -> None:
    server.answer = 200, {}, JOB | {"created_at": 1, "error": {"code": "x" * 300, "message": "No\0", "param": None}}
    told = gateway.get_job(credentials(server), "ftjob-1")
    assert (told.error_code, told.error_message) == ("x" * 128, "No\ufffd")
