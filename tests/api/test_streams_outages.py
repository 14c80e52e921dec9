"""Streams while something breaks: the process leaves, Postgres goes and comes back, a client takes nothing."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psutil
import psycopg
import pytest

from service.cli.embedded import PostgresServer
from service.kit.errors import Unavailable
from tests.api.sse import stream
from tests.api.watching import SETTINGS, Quiet, Watched, at, events_of
from tests.conftest import Launch
from tests.stack import Platform
from tests.tenancy.world import admin_url
from tests.until import until


@pytest.fixture(scope="module")
def quiet(launch: Launch, platform: Platform) -> Iterator[Quiet]:
    """Over a Postgres of its own. Each test leaves it as it found it."""
    with ExitStack() as cleanup:
        postgres = cleanup.enter_context(PostgresServer(launch.folder / "streams", durable=False))
        stack = launch(cleanup, postgres=postgres, settings=SETTINGS)
        stack.start_api()
        yield Quiet(stack, Platform(stack))


def test_on_sigterm_streams_and_waits_end_at_once_and_then_the_process(quiet: Quiet, watched: Watched) -> None:
    with quiet.another_api("leaving") as url, ExitStack() as streams, ThreadPoolExecutor(1) as pool:
        client = at(url, watched)
        readers = [iter(streams.enter_context(stream(client, watched.job))) for _ in range(5)]
        for reader in readers:
            assert any(one.id == "1" for one in reader)
        waiting = pool.submit(client.get, f"/v1/jobs/{watched.job}?wait=30")
        process = psutil.Process(quiet.stack.processes.pid("leaving"))
        until(lambda: len(process.net_connections()) > 6, what="the wait to have come")
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        for reader in readers:
            assert [one.event for one in reader if one.event] == ["reconnect"]
        assert waiting.result().json()["state"] == "queued"
        assert time.monotonic() - started < 1
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, within=5)


def test_a_draining_process_sends_new_streams_elsewhere(quiet: Quiet, watched: Watched) -> None:
    with quiet.another_api("draining", drain_seconds="2") as url:
        process = psutil.Process(quiet.stack.processes.pid("draining"))
        process.send_signal(signal.SIGTERM)
        client = at(url, watched)
        until(lambda: client.get("/readyz").status_code == 503, within=1.5)
        with stream(client, watched.job) as reader:
            assert [one.event for one in reader if one.event][-1] == "reconnect"


def test_a_stream_outlives_postgres(quiet: Quiet, watched: Watched) -> None:
    """The same connection goes on, with nothing missing."""

    def says(message: str) -> bool:
        try:
            watched.say(message)
        except Unavailable:
            return False
        return True

    with stream(watched.client, watched.job) as reader:
        sent = iter(reader)
        assert any(one.id == "1" for one in sent)
        quiet.stack.postgres.kill()
        assert [one.comment for _, one in zip(range(3), sent, strict=False)] == ["ping"] * 3
        refused = watched.client.get(f"/v1/jobs/{watched.job}?wait=20")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        quiet.stack.postgres.start()
        until(lambda: says("back"), within=15)
        back = next(one for one in sent if one.id)
        assert (back.id, json.loads(back.data)["message"]) == ("2", "back")


def test_without_notifications_the_poll_goes_on(quiet: Quiet, watched: Watched) -> None:
    with stream(watched.client, watched.job, after=1) as reader, psycopg.connect(admin_url(quiet.stack)) as connection:
        sent = iter(reader)
        cut = connection.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchall()
        assert len(cut) == 2  # the resolver's, and one for all who watch
        watched.say("unheard")
        assert json.loads(next(one for one in sent if one.id).data)["message"] == "unheard"


def test_a_stream_has_its_time(quiet: Quiet, watched: Watched) -> None:
    with quiet.another_api("short", stream_lifetime_seconds="1.2") as url:
        client, streams = at(url, watched), 0
        received: list[dict[str, Any]] = []
        while len(received) < 4:
            with stream(client, watched.job, last=str(len(received))) as reader:
                watched.say(f"in stream {streams}")
                sent = list(reader)
            assert (sent[-1].comment or "").endswith("reconnect")
            received += events_of(sent)
            streams += 1
        assert streams >= 3
        assert received == watched.history()


def test_a_client_that_takes_nothing_is_let_go_and_holds_up_nobody(quiet: Quiet, watched: Watched) -> None:
    with quiet.another_api("stalled", stream_stall_seconds="1", streams_per_team_max="2") as url:
        client = at(url, watched)
        for _ in range(20):
            watched.say(*["much"] * 10, text="x" * 100_000)
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            path = f"/v1/jobs/{watched.job}/events/stream"
            idle.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n\r\n".encode())
            assert idle.recv(12) == b"HTTP/1.1 200"
            with stream(client, watched.job) as reader:
                sent = iter(reader)
                events = (json.loads(one.data) for one in sent if one.id)
                assert [event["seq"] for _, event in zip(range(200), events, strict=False)] == list(range(1, 201))
                assert client.get(path).status_code == 429
                until(lambda: "stream.stalled" in quiet.stack.processes.log("stalled").read_text(), within=5)
                with stream(client, watched.job, after=150):
                    pass
