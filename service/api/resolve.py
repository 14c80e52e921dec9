"""The hot path: `/v1/models/{name}/resolve` from memory, for thousands a second, whatever else is down.

A thread of each API process listens for `resolve_changed`, and looks every `resolve_poll_seconds` in case it missed
one, each time at what was touched since it last did. While Postgres is away the last good state goes on being served; a
process that starts then takes it from the file that is kept of it (`snapshot`).
"""

import itertools
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service import registry
from service.api.answers import Answer, Question, answer
from service.api.middleware import given_request_id
from service.api.served import Served, prepare, update
from service.api.snapshot import Keeper, restore
from service.kit import clock, ids, logs
from service.kit.db import read_only
from service.kit.identity import RESOLVER
from service.kit.listener import RETRY_SECONDS, Listener
from service.kit.settings import settings

log = logs.get(__name__)

_PREFIX: Final = "/v1/models/"
_SUFFIX: Final = "/resolve"
_POLLS_MISSED_MAX: Final = 2

# A TypeID for each request would cost as much as checking its key: they share this process's, and are counted.
_REQUEST_ID: Final = ids.show("req", ids.new_id())
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Copy:
    """What was loaded, ready to be served, and when it was last known to be current."""

    served: Served
    current_at: datetime
    current_at_seconds: float  # the same on the monotonic clock
    is_restored: bool = False  # from the file: Postgres has not been reached since this process started


class Resolver:
    """This process's copy of the registry, kept up to date by a thread from `start` to `stop`."""

    def __init__(self) -> None:
        self._copy: Copy | None = None  # replaced as a whole: requests read it while the thread works
        self._mark: registry.Mark | None = None  # how far the copy has seen
        self._reachable = True
        self._listener = Listener("resolve_changed", name="resolver", on_news=self._look, on_lost=self._note_failure)
        self._file = settings().resolve_snapshot_file
        self._keeper = Keeper(self._file) if self._file else None

    def start(self) -> None:
        self._listener.start()
        if self._keeper:
            self._keeper.start()

    def stop(self) -> None:
        """Within a second or so; a load that hangs is left to its deadline."""
        self._listener.stop()
        if self._keeper:
            self._keeper.stop()

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

    def _look(self, _heard: frozenset[str]) -> float:
        return settings().resolve_poll_seconds if self._load() else RETRY_SECONDS

    def _load(self) -> bool:
        at, seconds = clock.now(), clock.monotonic()
        try:
            served, mark = self._changed() or self._whole()
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good state is served on
            self._note_failure(error)
            return False
        self._copy, self._mark = Copy(served, at, seconds), mark
        if self._keeper:
            self._keeper.offer(served, at)
        if not self._reachable:
            self._reachable = True
            log.info("resolve.reachable")
        return True

    def _changed(self) -> tuple[Served, registry.Mark] | None:
        """The copy with what has been touched since; None where everything is to be read."""
        if self._copy is None or self._mark is None:
            return None
        with read_only(RESOLVER) as session:
            mark = registry.mark(session)
            if mark.horizon < self._mark.horizon:
                return None
            return update(self._copy.served, registry.load_changes(session, self._mark, mark)), mark

    def _whole(self) -> tuple[Served, registry.Mark]:
        with read_only(RESOLVER, seconds=settings().resolve_load_seconds) as session:
            mark, snapshot = registry.mark(session), registry.load_snapshot(session)
        before = self._copy.served if self._copy else None
        served = prepare(snapshot, max_age_seconds=settings().resolve_max_age_seconds, before=before)
        log.info("resolve.loaded", aliases=len(snapshot.resolutions), keys=len(snapshot.keys))
        return served, mark

    def _note_failure(self, error: Exception) -> None:
        if self._reachable:  # once, not every second
            log.warning("resolve.unreachable", error=type(error).__name__, reason=str(error)[:200])
        self._reachable = False
        self._mark = None  # what comes back may be a copy of earlier, or another server: nothing is known to be in it
        if self._file and self._copy is None:
            self._restore(self._file)

    def _restore(self, file: Path) -> None:
        """Begin with what was kept, rather than with nothing."""
        kept = restore(file)
        if kept is None:
            return
        snapshot, at = kept
        served = prepare(snapshot, max_age_seconds=settings().resolve_max_age_seconds)
        age = max((clock.now() - at).total_seconds(), 0)
        self._copy = Copy(served, at, clock.monotonic() - age, is_restored=True)
        log.warning(
            "resolve.restored", aliases=len(snapshot.resolutions), keys=len(snapshot.keys), age_seconds=int(age)
        )


def _stale_seconds(copy: Copy | None) -> int | None:
    if copy is None:
        return None
    age = clock.monotonic() - copy.current_at_seconds
    return int(age) if copy.is_restored or age > _POLLS_MISSED_MAX * settings().resolve_poll_seconds else None


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
