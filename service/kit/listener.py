"""Hearing of changes: a thread that LISTENs in Postgres and looks by itself every while, in case it missed one.

A notification is a hint, never the news: whoever hears it reads the rows.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg import sql

from service.kit import clock
from service.kit.db import direct_connection, watchdog
from service.kit.settings import settings

RETRY_SECONDS: Final = 1.0  # between two tries while the database is away
_GATHER_SECONDS: Final = 0.05  # notifications of one moment are one piece of news
_LOOK_SECONDS: Final = 0.5  # how soon the thread notices that it is to stop


class Listener:
    """Calls `on_news` in a thread of its own, from `start` to `stop`.

    `on_news` gets the payloads heard, none where it is to look because it listens anew or nothing was heard for as long
    as it wished: it returns the seconds until then. `on_lost` is told each time the connection broke or is not to be
    had, about once a second.
    """

    def __init__(
        self,
        *channels: str,
        name: str,
        on_news: Callable[[frozenset[str]], float],
        on_lost: Callable[[Exception], None],
    ) -> None:
        self._channels, self._on_news, self._on_lost = channels, on_news, on_lost
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Within a second or so; an `on_news` that hangs is left to its deadline."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _LOOK_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(_listen(self._channels)) as connection:
                    self._follow(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, this thread lives on
                self._on_lost(error)
            self._stopping.wait(RETRY_SECONDS)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        """We listen before the first look, so that no change falls between."""
        heard: frozenset[str] = frozenset()
        while not self._stopping.is_set():
            heard = self._hear(connection, self._on_news(heard))

    def _hear(self, connection: psycopg.Connection[Any], seconds: float) -> frozenset[str]:
        end = clock.monotonic() + seconds
        while not self._stopping.is_set() and (left := end - clock.monotonic()) > 0:
            if heard := list(connection.notifies(timeout=min(left, _LOOK_SECONDS), stop_after=1)):
                self._stopping.wait(_GATHER_SECONDS)
                heard += connection.notifies(timeout=0)
                return frozenset(one.payload for one in heard)
        return frozenset()


def _listen(channels: tuple[str, ...]) -> psycopg.Connection[Any]:
    """A connection that hears of changes. LISTEN needs no role, so none is taken."""
    connection = direct_connection()
    watchdog.guard(connection, settings().unit_seconds)
    try:
        for channel in channels:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    except BaseException:
        connection.close()
        raise
    finally:
        watchdog.release(connection)
    return connection
