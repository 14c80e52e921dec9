"""Against a Postgres that stopped answering: cut off overdue connections, and stop queueing behind them."""

import os
import socket
import threading
from contextlib import suppress
from typing import Any

from service.kit.clock import monotonic
from service.kit.errors import Unavailable

_LOOK_SECONDS = 0.1


class Watchdog:
    """Shuts down the socket of a checked-out connection that outlived its deadline.

    Its user then gets an OperationalError.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deadlines: dict[int, tuple[Any, float]] = {}
        self._thread: threading.Thread | None = None

    def guard(self, connection: Any, seconds: float) -> None:
        """Give this connection so long until `release`."""
        with self._lock:
            self._deadlines[id(connection)] = (connection, monotonic() + seconds)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="db-watchdog", daemon=True)
                self._thread.start()

    def release(self, connection: Any) -> None:
        """The connection went back to the pool, or is gone."""
        with self._lock:
            self._deadlines.pop(id(connection), None)

    def forget(self) -> None:
        """After a fork: the parent's connections and thread are not ours, nor is a lock it may have held."""
        self.__init__()  # type: ignore[misc]

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_LOOK_SECONDS):
            now = monotonic()
            with self._lock:
                # Under the lock, so that the connection cannot be released and its descriptor reused meanwhile.
                for key, (connection, deadline) in list(self._deadlines.items()):
                    if deadline <= now:
                        del self._deadlines[key]
                        _shut_down(connection)


def _shut_down(connection: Any) -> None:
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)


class Breaker:
    """Refuses at once for a moment after a failure, then lets one caller try: a crowd must not wait one by one."""

    def __init__(self, *, open_seconds: float) -> None:
        self._open_seconds = open_seconds
        self._until = 0.0
        self._lock = threading.Lock()

    def check(self, error: type[Unavailable]) -> None:
        """Raise `error` while open. After the pause the first caller passes, and the others await its outcome."""
        if self._until == 0.0:
            return
        with self._lock:
            now = monotonic()
            if self._until and now < self._until:
                raise error(retry_after_seconds=5)
            if self._until:
                self._until = now + self._open_seconds

    def open(self) -> None:
        """The last call failed because the other side is away."""
        with self._lock:
            self._until = monotonic() + self._open_seconds

    def close(self) -> None:
        """The last call went through."""
        if self._until:
            with self._lock:
                self._until = 0.0
