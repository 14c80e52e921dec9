"""The page about the matrix says what the matrix does, and the proxy spoils what it is told to."""

import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.book import in_order, render
from tests.faults.proxy import Proxy

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
WANTED = {*range(1, 19), *range(20, 27), 28, 29, 31, 32, 35}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "python -m tests.faults --table > docs/faults.md"


def test_every_fault_that_was_promised_is_there() -> None:
    labels = {one.label for one in in_order()}
    assert {f"fault {number}" for number in WANTED} <= labels
    assert len(labels) == len(in_order()), "two faults share a label"


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while told := self.request.recv(65536):
            self.request.sendall(told)


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as made:
        yield made


def talk(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def asked(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_it_passes_everything_on(proxy: Proxy) -> None:
    with talk(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"


def test_it_delays(proxy: Proxy) -> None:
    proxy.latency_seconds = 0.1
    with talk(proxy) as connection:
        began = time.monotonic()
        assert asked(connection, b"hello") == b"hello"
        assert time.monotonic() - began >= 0.2


def test_it_loses_the_answer_to_what_it_is_to_cut_on(proxy: Proxy) -> None:
    proxy.cut_on, proxy.cuts_left = re.compile(rb"COMMIT"), 1
    with talk(proxy) as connection:
        assert asked(connection, b"BEGIN") == b"BEGIN"
        assert asked(connection, b"COMMIT") == b""
    with talk(proxy) as connection:
        assert asked(connection, b"COMMIT") == b"COMMIT", "only once"
    assert proxy.cuts == 1


def test_it_cuts_an_answer_short_and_changes_what_is_in_it(proxy: Proxy) -> None:
    proxy.replaced = {b"cat": b"dog"}
    with talk(proxy) as connection:
        assert asked(connection, b"a cat") == b"a dog"
        proxy.cut_after_bytes = 8
        assert asked(connection, b"another cat") == b"ano"
        assert connection.recv(100) == b""


def test_it_falls_silent_and_ends_what_lost_bytes_when_it_heals(proxy: Proxy) -> None:
    with talk(proxy) as connection:
        proxy.is_silent = True
        connection.settimeout(0.2)
        connection.sendall(b"hello")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.heal()
        connection.settimeout(5)
        assert asked(connection, b"") == b""
    with talk(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"


def test_it_refuses_and_takes_connections_again_on_its_port(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        talk(proxy)
    proxy.accept()
    with talk(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"
