"""Who watches what at this process, and who of them is due to be told. The reading itself is done in streams.py.

All of it happens in the event loop, but for what the listener's thread hears: that is handed over.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal
from uuid import UUID

from service.api.audience import Audience
from service.api.news import News, Piece, Wanted
from service.jobs import Cursor
from service.kit import clock
from service.kit.errors import LimitReached
from service.kit.listener import Listener
from service.kit.settings import settings

# Notified by jobs/progress.py, datasets/commands.py, datasets/preparations.py and connections/flows.py.
CHANNELS: Final = ("job_events", "datasets_checked", "connections_tested")
Awaited = Literal["job", "dset", "prep", "ctest"]
"""What a request may wait for, by the prefix of its id."""


class TooManyStreams(LimitReached):
    """Your team has {streams} event streams open at this server, and no more are allowed: close one, or use `?wait`."""

    code = "too_many_streams"


class Watch:
    """Somebody who waits for news of one thing of a team or the platform; `stirred` when there is something to do."""

    kind: Awaited = "job"

    def __init__(self, team: UUID | None, subject: UUID) -> None:
        self.team, self.subject = team, subject
        self.stirred = asyncio.Event()
        self.is_let_go = False

    def let_go(self) -> None:
        """There will be no more news."""
        self.is_let_go = True
        self.stirred.set()


class Stream(Watch):
    """One client's place in a job's history. Nothing more is read for it until it has taken what was."""

    def __init__(self, team: UUID, cursor: Cursor) -> None:
        super().__init__(team, cursor.job)
        self.cursor = cursor
        self._piece: Piece | None = None

    @property
    def is_hungry(self) -> bool:
        return self._piece is None

    def tell(self, told: News) -> bool:
        """Take what is new. Whether to look again at once."""
        self._piece = piece = told.pieces.get(self.cursor)
        if piece is None:
            return False
        self.cursor = piece.cursor
        self.stirred.set()
        return piece.has_more

    def tell_nothing(self) -> None:
        """The database is away: the stream stays, and learns at the next look."""

    def take(self) -> Piece | None:
        piece, self._piece = self._piece, None
        self.stirred.clear()
        return piece


class Wait(Watch):
    """A request that waits until a job leaves the state it is in, a dataset is checked or an account tested."""

    def __init__(self, team: UUID | None, subject: UUID, kind: Awaited) -> None:
        super().__init__(team, subject)
        self.kind = kind
        self._state: str | None = None

    @property
    def is_hungry(self) -> bool:
        return not self.stirred.is_set()

    def tell(self, told: News) -> bool:
        """Take how it stands; what is settled, or does not exist, is not waited for."""
        state = told.unsettled.get(self.subject)
        if state is None or (self.kind == "job" and self._state not in {None, state}):
            self.stirred.set()
        self._state = state
        return False

    def tell_nothing(self) -> None:
        """The database is away. Whoever has just come is told so by the route itself."""
        if self._state is None:
            self.stirred.set()


class Lookout:
    """This process' eye on the database for everybody who watches, from `start` to `stop`.

    `stirred` when somebody may be due.
    """

    def __init__(self) -> None:
        self._listener = Listener(*CHANNELS, name="lookout", on_news=self._hear, on_lost=self._miss)
        self._watches: dict[UUID, set[Stream | Wait]] = {}  # by subject
        self._due: set[Stream | Wait] = set()
        self._open: Counter[UUID] = Counter()  # streams by team
        self.audience = Audience()
        self.stirred = asyncio.Event()
        self._poll_at = 0.0  # on the monotonic clock
        self._is_leaving = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Within the loop that serves."""
        self._loop = asyncio.get_running_loop()
        self._listener.start()

    def leave(self) -> None:
        """End every stream and every wait at once. May be called from anywhere, a signal handler included."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._let_go)

    def stop(self) -> None:
        """Within a second or so."""
        self._let_go()
        self._listener.stop()

    @contextmanager
    def watched(self, watch: Stream | Wait) -> Iterator[None]:
        """Have it told whatever is new, beginning with how things stand."""
        of_subject = self._watches.setdefault(watch.subject, set())
        of_subject.add(watch)
        self._see([watch])
        if self._is_leaving:
            watch.let_go()
        try:
            yield
        finally:
            self._due.discard(watch)
            of_subject.discard(watch)
            if not of_subject:
                del self._watches[watch.subject]

    @contextmanager
    def stream(self, team: UUID, cursor: Cursor) -> Iterator[Stream]:
        """A stream from the cursor on. Raises TooManyStreams."""
        if self._open[team] >= settings().streams_per_team_max:
            raise TooManyStreams(
                streams=self._open[team], retry_after_seconds=round(settings().stream_ping_seconds) or 1
            )
        self._open[team] += 1
        try:
            stream = Stream(team, cursor)
            with self.watched(stream):
                yield stream
        finally:
            self._open[team] -= 1

    def glimpse(self, team: UUID, job: UUID) -> None:
        """Somebody of the team reads what the job has said, without waiting for more."""
        if self.audience.sees(team, job):
            self.stirred.set()

    def taken(self) -> None:
        """A stream has taken its piece, so it may have the next."""
        self.stirred.set()

    def _hear(self, payloads: frozenset[str]) -> float:
        """In the listener's thread: which subjects have news, or with none heard, look at everything."""
        now = clock.monotonic()
        is_poll = not payloads or now >= self._poll_at
        if is_poll:
            self._poll_at = now + settings().watch_poll_seconds
        self._tell_loop(None if is_poll else payloads)
        return self._poll_at - now

    def _miss(self, _error: Exception) -> None:
        """In the listener's thread: without notifications the poll goes on, if the database is there at all."""
        self._tell_loop(None)

    def _tell_loop(self, payloads: frozenset[str] | None) -> None:
        if self._loop and not self._is_leaving:
            self._loop.call_soon_threadsafe(self._see_subjects, payloads)

    def _see_subjects(self, payloads: frozenset[str] | None) -> None:
        subjects = self._watches.keys() if payloads is None else {UUID(one) for one in payloads} & self._watches.keys()
        for subject in subjects:
            self._see(self._watches[subject])

    def _see(self, watches: Iterable[Stream | Wait]) -> None:
        self._due.update(watches)
        self.stirred.set()

    def _let_go(self) -> None:
        self._is_leaving = True
        for watches in self._watches.values():
            for watch in watches:
                watch.let_go()

    def due(self) -> dict[UUID | None, list[Stream | Wait]]:
        """By team, those to be told now, who then are due no longer. Who has not taken the last news yet stays so."""
        self.stirred.clear()
        by_team: dict[UUID | None, list[Stream | Wait]] = {}
        for watch in [one for one in self._due if one.is_hungry]:
            self._due.discard(watch)
            by_team.setdefault(watch.team, []).append(watch)
            if watch.team is not None and watch.kind == "job":
                self.audience.sees(watch.team, watch.subject)
        return by_team

    def tell(self, watches: Iterable[Stream | Wait], told: News | None) -> None:
        """Hand on what was read; None where the database is away."""
        for watch in watches:
            if told is None:
                watch.tell_nothing()
            elif watch.tell(told):
                self._due.add(watch)


def wanted_by(watches: Iterable[Stream | Wait]) -> Wanted:
    """What has to be read for them."""
    cursors, waits = set(), []
    for watch in watches:
        if isinstance(watch, Stream):
            cursors.add(watch.cursor)
        else:
            waits.append(watch)
    return Wanted(
        cursors=frozenset(cursors),
        jobs=frozenset(one.subject for one in waits if one.kind == "job"),
        datasets=frozenset(one.subject for one in waits if one.kind == "dset"),
        preparations=frozenset(one.subject for one in waits if one.kind == "prep"),
        tests=frozenset(one.subject for one in waits if one.kind == "ctest"),
    )
