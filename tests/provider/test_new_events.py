"""A provider's events, read back as far as is needed, whatever it does to their order, ids and number."""

import json
import random
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.kit.ids import new_id
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteEvent

pytestmark = pytest.mark.usefixtures("database")  # where accounts have their circuits


class Provider(ThreadingHTTPServer):
    """Lists its events newest first, a page at a time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.page, self.pages = 100, 0

    @property
    def account(self) -> Credentials:
        return Credentials("compatible", f"http://127.0.0.1:{self.server_port}/v1", "sk-x", account=new_id())

    def says(self, at: int, message: str, step: int | None = None) -> None:
        """One more event, put where its time belongs, behind those of the same second."""
        event = {
            "id": f"ftevent-{len(self.events)}", "object": "fine_tuning.job.event", "created_at": at, "level": "info",
            "message": message, "type": "message", "data": {} if step is None else {"step": step},
        }  # fmt: skip
        self.events.append(event)
        self.events.sort(key=lambda one: one["created_at"])


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        after = parse_qs(urlsplit(self.path).query).get("after")
        listed = self.server.events[::-1]
        start = 1 + next(n for n, one in enumerate(listed) if one["id"] == after[0]) if after else 0
        page = listed[start : start + self.server.page]
        self.server.pages += 1
        body = {"object": "list", "data": page, "has_more": start + len(page) < len(listed)}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Taker:
    """Somebody who keeps what is new."""

    def __init__(self, provider: Provider) -> None:
        self.account = provider.account
        self.events: list[RemoteEvent] = []

    def look(self, *, to_the_beginning: bool = False) -> list[str]:
        known = {one.fingerprint for one in self.events}
        new = gateway.new_events(self.account, "ftjob-1", known=known.intersection, to_the_beginning=to_the_beginning)
        self.events += new
        return [one.message for one in new]


def test_pages_are_read_back_to_the_first_that_is_known(provider: Provider) -> None:
    provider.page = 3
    taker = Taker(provider)
    for n in range(10):
        provider.says(n, f"event {n}")
    assert taker.look() == [f"event {n}" for n in range(10)]
    assert provider.pages == 4
    provider.says(10, "event 10")
    assert taker.look() == ["event 10"]
    assert provider.pages == 4 + 2  # the second page holds nothing new
    assert taker.look() == []
    assert provider.pages == 4 + 2 + 1


def test_events_of_one_second_keep_the_order_they_were_told_in(provider: Provider) -> None:
    for message in ("created", "validating", "queued"):
        provider.says(7, message)
    assert Taker(provider).look() == ["created", "validating", "queued"]


def test_an_event_told_late_is_found_among_recent_ones_and_at_the_latest_at_the_end(provider: Provider) -> None:
    provider.page = 3
    taker = Taker(provider)
    for n in range(0, 40, 2):
        provider.says(n, f"event {n}")
    taker.look()
    provider.says(37, "late by a little")
    provider.says(3, "late by much")
    assert taker.look() == ["late by a little"]
    assert taker.look(to_the_beginning=True) == ["late by much"]


@pytest.mark.parametrize("seed", range(12))
def test_every_event_is_taken_once_whatever_the_order_and_the_ids(provider: Provider, seed: int) -> None:
    dice = random.Random(seed)
    provider.page = dice.choice([8, 15, 100])
    taker, told = Taker(provider), set()
    for n in range(40):
        at = max(0, n // 3 - dice.choice([0, 0, 0, 1, 5]))  # some late; several a second
        provider.says(at, f"event {n}", step=dice.choice([None, n]))
        told.add(f"event {n}")
        if dice.random() < 0.3:
            again = dice.choice(provider.events)
            provider.events.insert(provider.events.index(again), again | {"id": f"again-{n}"})
        if dice.random() < 0.3:
            dice.shuffle(ids := [one["id"] for one in provider.events])
            for one, other in zip(provider.events, ids, strict=True):
                one["id"] = other
        if dice.random() < 0.4:
            taker.look()
    taker.look(to_the_beginning=True)
    messages = [one.message for one in taker.events]
    assert len(messages) == len(set(messages))
    assert set(messages) == told


def test_ids_that_are_new_in_every_call_end_the_reading_instead_of_repeating_it(provider: Provider) -> None:
    """As seen at Azure, where paging then starts anew."""
    provider.page = 3
    for n in range(9):
        provider.says(n, f"event {n}")
    for one in provider.events:
        one["id"] = "the same"  # whichever is asked for, the newest is meant
    assert Taker(provider).look(to_the_beginning=True) == ["event 5", "event 6", "event 7", "event 8"]
    assert provider.pages == 3
