"""Session advisory locks on a connection of their own: a dead holder frees them at once, a sleeping one keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from service.kit.db import direct_connection, watchdog
from service.kit.settings import settings


class Lock:
    """A lock that is held, as far as we know."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def is_held(self) -> bool:
        """Ask its connection one last time: a lock lives exactly as long as the session that took it."""
        try:
            _ask(self._connection, "SELECT true")
        except psycopg.Error:
            return False
        return True


@contextmanager
def try_lock(name: str) -> Iterator[Lock | None]:
    """The lock of this name, or None where somebody else has it.

    Needs a session, hence no PgBouncer in transaction mode.
    """
    connection = direct_connection()
    try:
        taken = _ask(connection, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
        yield Lock(connection) if taken else None
    finally:
        connection.close()


def _ask(connection: psycopg.Connection[Any], question: str, *arguments: str) -> bool:
    watchdog.guard(connection, settings().unit_seconds)
    try:
        row = connection.execute(question, arguments).fetchone()
    finally:
        watchdog.release(connection)
    return bool(row and row[0])
