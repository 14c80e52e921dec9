"""Leaving in order: not ready any more, still answering, and only then stopped."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.kit.settings import settings


class Draining:
    """Whether this process is about to stop: `/readyz` says so and connections are let go.

    `on_begin` is called at once when it begins, within a signal handler.
    """

    def __init__(self, on_begin: Callable[[], None] = lambda: None) -> None:
        self._begun = False
        self._on_begin = on_begin

    def begin(self) -> None:
        """From here on."""
        if not self._begun:
            self._begun = True
            self._on_begin()

    def __bool__(self) -> bool:
        return self._begun


@contextmanager
def drain_on_sigterm(draining: Draining) -> Iterator[None]:
    """On SIGTERM drain for `drain_seconds` before the server's own handler ends it; a second one ends it at once.

    A load balancer needs that long to see `/readyz` fail; until then it goes on sending requests here.
    """
    server_stops = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(server_stops):
        yield  # not run by a server that handles signals
        return
    loop = asyncio.get_running_loop()

    def on_sigterm(number: int, _frame: object) -> None:
        if draining or not settings().drain_seconds:
            server_stops(number, None)
        else:
            loop.call_soon_threadsafe(loop.call_later, settings().drain_seconds, server_stops, number, None)
        draining.begin()

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, server_stops)
