"""What to do about a question, and what to learn from an answer. No input or output but the last-good files.

Both resolvers drive it: `plan` says whether to answer from what is known, to ask, or both; `take` and `fail` are told
what came of asking. It may be used by many threads at once, and goes on in a process forked off.

At half its `max-age` an answer that is still asked for is renewed in the background, so whoever asks often never waits.
Beyond `max-age` a caller asks before it is answered, and those who come meanwhile get what is known
(`stale-while-revalidate`). When nobody answers, what is known is served at once (`stale-if-error`), and asking is tried
in the background, ever less often, up to once a `max-age`.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import quote

from tuneplane_resolver.answers import Answer, Freshness, Question
from tuneplane_resolver.errors import KeyRefused, NotServed, ResolveError, Retired, Unanswered
from tuneplane_resolver.lastgood import LastGood

ALIAS_DEFAULT: Final = "production"
TIMEOUT_SECONDS: Final = 2.0
_AHEAD: Final = 0.5  # of max-age, when renewing begins
_PAUSE_SECONDS: Final = 0.5  # after the first failure; doubled by each that follows
_PAUSE_SECONDS_MAX: Final = 30.0
_REFUSALS: Final[dict[int, type[ResolveError]]] = {401: KeyRefused, 403: KeyRefused, 404: NotServed, 410: Retired}


class Ask(NamedTuple):
    """A request to be sent: GET `path` with these headers."""

    question: Question
    path: str
    headers: Mapping[str, str]
    known: Answer | None  # what a 304 confirms


class Known(NamedTuple):
    """What a caller is answered at once, and what is to be asked meanwhile, if anything is."""

    answer: Answer
    ask: Ask | None


@dataclass(slots=True)
class _State:
    """What is known of one question. Nobody need ask from `asked_at` until `quiet_until`."""

    answer: Answer | None = None
    asked_at: float = 0.0
    quiet_until: float = 0.0
    failures: int = 0

    def is_quiet(self, now: float) -> bool:
        return self.asked_at <= now < self.quiet_until

    def be_quiet(self, now: float, seconds: float) -> None:
        self.asked_at, self.quiet_until = now, now + seconds


class Core:
    """The answers known to this process. `now` is the wall clock, in seconds since 1970."""

    def __init__(
        self,
        server: str,
        api_key: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        stale_if_error_seconds: float | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.now = now
        self.timeout_seconds = timeout_seconds
        self._if_error_seconds = stale_if_error_seconds
        self._files = LastGood(folder, server=server, api_key=api_key) if folder is not None else None
        self._authorization = f"Bearer {api_key}"
        self._states: dict[Question, _State] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def plan(self, question: Question) -> Known | Ask:
        """What to do for somebody who asks now: answer, or ask first."""
        now = self.now()
        if self._pid != os.getpid():
            self._begin_child()
        with self._lock:
            state = self._states.setdefault(question, _State())
            if state.answer is not None and state.answer.is_fresh(now, share=_AHEAD):
                return Known(state.answer, None)
            if state.is_quiet(now) and (known := self._servable(state, now)) is not None:
                return Known(known, None)
            self._read_file(question, state, now)  # another process may have asked already
            if state.answer is not None and state.answer.is_fresh(now, share=_AHEAD):
                return Known(state.answer, None)
            state.be_quiet(now, 2 * self.timeout_seconds)  # by then the asking is over, or has died
            known = state.answer
            ask = self._ask(question, known)
            if known is not None and (known.is_fresh(now) or self._is_away(state, now)):
                return Known(known, ask)
            return ask

    def take(self, ask: Ask, status: int, headers: Mapping[str, str], body: str) -> Answer:
        """Learn from a response, with its headers in lower case. Raises what it means where it names no model."""
        now = self.now()
        refused = _REFUSALS.get(status)
        if refused is not None:
            self._forget(ask.question)
            raise refused(f"{ask.question.name}@{ask.question.alias}: {status} {body[:500]}")
        try:
            answer = _read(ask, status, headers, body, now)
        except ValueError as error:
            return self.fail(ask, str(error), retry_after=headers.get("retry-after"))
        with self._lock:
            state = self._states.setdefault(ask.question, _State())
            if state.answer is None or state.answer.rank(now) <= answer.rank(now):
                state.answer = answer
            # One that is old already comes from a server that cannot reach its own registry: as good as no answer.
            state.failures = 0 if answer.is_fresh(now) else 1
            state.be_quiet(now, 0 if answer.is_fresh(now, share=_AHEAD) else _PAUSE_SECONDS)
        if self._files is not None:
            self._files.write(ask.question, answer, now=now)
        return answer

    def fail(self, ask: Ask, reason: str, *, retry_after: str | None = None) -> Answer:
        """Nobody answered: the last good answer, if it may still be used. Raises Unanswered."""
        now = self.now()
        with self._lock:
            state = self._states.setdefault(ask.question, _State())
            state.failures += 1
            wished = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
            pause = max(_PAUSE_SECONDS * 2 ** min(state.failures - 1, 10), wished)
            most = state.answer.freshness.max_age if state.answer else _PAUSE_SECONDS_MAX
            state.be_quiet(now, min(pause, max(_PAUSE_SECONDS, most), _PAUSE_SECONDS_MAX))
            if (known := self._servable(state, now)) is not None:
                return known
        raise Unanswered(f"{ask.question.name}@{ask.question.alias}: {reason}")

    def _servable(self, state: _State, now: float) -> Answer | None:
        """What may be said while somebody else asks, or nobody answers."""
        known = state.answer
        if known is None:
            return None
        usable = self._is_away(state, now) if state.failures else known.outlasts(known.freshness.while_revalidate, now)
        return known if usable else None

    def _is_away(self, state: _State, now: float) -> bool:
        """Whether nobody answered the last time, and what is known may be used for that reason."""
        if state.answer is None or not state.failures:
            return False
        given = self._if_error_seconds
        return state.answer.outlasts(state.answer.freshness.if_error if given is None else given, now)

    def _ask(self, question: Question, known: Answer | None) -> Ask:
        headers = {"authorization": self._authorization, "accept": "application/json"}
        if known is not None and known.etag is not None:
            headers["if-none-match"] = known.etag
        name, alias = (quote(part, safe=":") for part in question)
        return Ask(question, f"/v1/models/{name}/resolve?alias={alias}", headers, known)

    def _read_file(self, question: Question, state: _State, now: float) -> None:
        kept = self._files.read(question) if self._files is not None else None
        if kept is not None and (state.answer is None or state.answer.rank(now) < kept.rank(now)):
            state.answer = kept

    def _forget(self, question: Question) -> None:
        with self._lock:
            self._states.pop(question, None)
        if self._files is not None:
            self._files.forget(question)

    def _begin_child(self) -> None:
        """After a fork: the lock may have been held, and whoever was asking is not here."""
        self._pid, self._lock = os.getpid(), threading.Lock()
        for state in self._states.values():
            state.quiet_until = 0.0


def _read(ask: Ask, status: int, headers: Mapping[str, str], body: str, now: float) -> Answer:
    """The answer in a response. Raises ValueError where there is none."""
    said = headers.get("age", "0")
    current_at = now - (float(said) if said.isdecimal() else 0.0)
    etag, freshness = headers.get("etag"), Freshness.read(headers.get("cache-control", ""))
    if status == HTTPStatus.NOT_MODIFIED and ask.known is not None:
        return Answer.read(ask.known.body, etag=etag or ask.known.etag, current_at=current_at, freshness=freshness)
    if status != HTTPStatus.OK:
        raise ValueError(f"the server said {status}")
    return Answer.read(body, etag=etag, current_at=current_at, freshness=freshness)
