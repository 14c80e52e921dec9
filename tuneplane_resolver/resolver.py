"""The resolver for threads."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx2

from tuneplane_resolver.answers import Answer, Question, Resolution
from tuneplane_resolver.core import ALIAS_DEFAULT, TIMEOUT_SECONDS, Ask, Core
from tuneplane_resolver.errors import ResolveError


class Resolver:
    """Asks one Tuneplane with one API key. One a process is enough: any number of threads may share it."""

    def __init__(
        self,
        server: str,
        api_key: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        stale_if_error_seconds: float | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        http: Callable[[], httpx2.Client] = httpx2.Client,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`folder` keeps the last good answers; `stale_if_error_seconds` replaces what the server says of outages.

        `http` makes the client when it is first needed, for proxies or certificates of your own.
        """
        self._server = server.rstrip("/")
        self._core = Core(
            self._server, api_key,
            folder=folder, stale_if_error_seconds=stale_if_error_seconds, timeout_seconds=timeout_seconds, now=now,
        )  # fmt: skip
        self._make_http = http
        self._http: tuple[int, httpx2.Client] | None = None
        self._making = threading.Lock()

    def resolve(self, name: str, *, alias: str = ALIAS_DEFAULT, key: str | None = None) -> Resolution:
        """The model that `name`'s alias means now; the same version for the same `key` (a user, a conversation).

        Raises NotServed, Retired, KeyRefused, and Unanswered where nobody answers and nothing usable is known.
        """
        question = Question(name, alias)
        plan = self._core.plan(question)
        if isinstance(plan, Ask):
            answer = self._asked(plan)
        else:
            answer, ask = plan
            if ask is not None:
                threading.Thread(target=self._ask_behind, args=(ask,), name="tuneplane-resolver", daemon=True).start()
        return answer.resolution(question, key, self._core.now())

    def close(self) -> None:
        """Close the connections. The resolver may be used again, and opens new ones."""
        http, self._http = self._http, None
        if http is not None and http[0] == os.getpid():
            http[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask_behind(self, ask: Ask) -> None:
        with suppress(ResolveError):  # whoever asks next is told
            self._asked(ask)

    def _asked(self, ask: Ask) -> Answer:
        try:
            said = self._client().get(
                self._server + ask.path, headers=dict(ask.headers), timeout=self._core.timeout_seconds
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            return self._core.fail(ask, repr(error))
        return self._core.take(ask, said.status_code, said.headers, said.text)

    def _client(self) -> httpx2.Client:
        """This process's: connections must not be shared with the one it was forked from."""
        made = self._http
        if made is None or made[0] != os.getpid():
            with self._making:
                made = self._http
                if made is None or made[0] != os.getpid():
                    made = self._http = (os.getpid(), self._make_http())
        return made[1]
