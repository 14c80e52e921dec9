"""The hot path: `/v1/models/{name}/resolve` from memory, for thousands a second, whatever else is down.

A thread of each API process listens for `resolve_changed`, and looks every `resolve_poll_seconds` in case it missed
one. While Postgres is away the last good state goes on being served.
"""

import itertools
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from starlette.types import ASGIApp, Receive, Scope, Send

from service import registry
from service.api.answers import Answer, Question, Served, answer, prepare
from service.api.middleware import given_request_id
from service.kit import clock, ids, logs
from service.kit.db import direct_connection, read_only, watchdog
from service.kit.identity import RESOLVER
from service.kit.settings import settings

log = logs.get(__name__)

_PREFIX: Final = "/v1/models/"
_SUFFIX: Final = "/resolve"
_RETRY_SECONDS: Final = 1.0  # between two tries while the database is away
_GATHER_SECONDS: Final = 0.05  # notifications of one moment are one reload
_LOOK_SECONDS: Final = 0.5  # how soon the thread notices that it is to stop
_POLLS_MISSED_MAX: Final = 2

# A TypeID for each request would cost as much as checking its key: they share this process's, and are counted.
_REQUEST_ID: Final = ids.show("req", ids.new_id())
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Copy:
    """What was loaded, ready to be served, and when it was last known to be current."""

    snapshot: registry.Snapshot
    served: Served
    current_at: datetime
    current_at_seconds: float  # the same on the monotonic clock


class Resolver:
    """This process's copy of the registry, kept up to date by a thread from `start` to `stop`."""

    def __init__(self) -> None:
        self._copy: Copy | None = None  # replaced as a whole: requests read it while the thread works
        self._reachable = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Within a second or so; a load that hangs is left to its deadline."""
        self._stopping.set()
        self._thread.join(timeout=2 * _LOOK_SECONDS)

    @property
    def current_at(self) -> datetime | None:
        """When the copy was last known to be current; None before the first load."""
        return self._copy.current_at if self._copy else None

    @property
    def stale_seconds(self) -> int | None:
        """The copy's age, where that is more than a missed poll explains."""
        return _stale_seconds(self._copy)

    def answer(self, scope: Scope, name: str) -> Answer:
        """Answer an HTTP request for `name`."""
        headers, copy = dict(scope["headers"]), self._copy
        question = Question(
            name=name,
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            request_id=given_request_id(headers) or f"{_REQUEST_ID}-{next(_numbers):08x}",
            at=clock.now(),
        )
        return answer(copy.served if copy else None, question, stale_seconds=_stale_seconds(copy))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(_listen()) as connection:
                    self._follow(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, this thread lives on
                self._note_failure(error)
            self._stopping.wait(_RETRY_SECONDS)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        """Load, wait for a change or the next look, and again. We listen already, so that no change falls between."""
        while not self._stopping.is_set():
            wait_seconds = settings().resolve_poll_seconds if self._load() else _RETRY_SECONDS
            end = clock.monotonic() + wait_seconds
            while not self._stopping.is_set() and (left := end - clock.monotonic()) > 0:
                if list(connection.notifies(timeout=min(left, _LOOK_SECONDS), stop_after=1)):
                    self._stopping.wait(_GATHER_SECONDS)
                    list(connection.notifies(timeout=0))
                    break

    def _load(self) -> bool:
        at, seconds = clock.now(), clock.monotonic()
        try:
            with read_only(RESOLVER) as session:
                snapshot = registry.load_snapshot(session)
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good state is served on
            self._note_failure(error)
            return False
        if self._copy is None or snapshot != self._copy.snapshot:
            served = prepare(snapshot, max_age_seconds=settings().resolve_max_age_seconds)
            log.info("resolve.loaded", aliases=len(snapshot.resolutions), keys=len(snapshot.keys))
        else:
            served = self._copy.served
        self._copy = Copy(snapshot, served, at, seconds)
        if not self._reachable:
            self._reachable = True
            log.info("resolve.reachable")
        return True

    def _note_failure(self, error: Exception) -> None:
        if self._reachable:  # once, not every second
            log.warning("resolve.unreachable", error=type(error).__name__, reason=str(error)[:200])
        self._reachable = False


def _stale_seconds(copy: Copy | None) -> int | None:
    age = clock.monotonic() - copy.current_at_seconds if copy else 0
    return int(age) if age > _POLLS_MISSED_MAX * settings().resolve_poll_seconds else None


def _listen() -> psycopg.Connection[Any]:
    """A connection that hears of changes. LISTEN needs no role, so none is taken."""
    connection = direct_connection()
    watchdog.guard(connection, settings().unit_seconds)
    try:
        connection.execute("LISTEN resolve_changed")
    except BaseException:
        connection.close()
        raise
    finally:
        watchdog.release(connection)
    return connection


class FastPath:
    """Answers requests to resolve before any framework sees them; everything else goes on to `app`."""

    def __init__(self, app: ASGIApp, resolver: Resolver) -> None:
        self._app = app
        self._resolver = resolver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes GET and HEAD of `/v1/models/{name}/resolve`."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.endswith(_SUFFIX) and path.startswith(_PREFIX) and scope["method"] in ("GET", "HEAD"):
                name = path[len(_PREFIX) : -len(_SUFFIX)]
                if name and "/" not in name:
                    answered = self._resolver.answer(scope, name)
                    body = b"" if scope["method"] == "HEAD" else answered.body
                    start = {"type": "http.response.start", "status": answered.status, "headers": answered.headers}
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
                    return
        await self._app(scope, receive, send)
