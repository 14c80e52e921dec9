"""The resolver for asyncio: the same decisions, another way to send a request."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx2

from tuneplane_resolver.answers import Answer, Question, Resolution
from tuneplane_resolver.core import ALIAS_DEFAULT, TIMEOUT_SECONDS, Ask, Core
from tuneplane_resolver.errors import ResolveError


class AsyncResolver:
    """Asks one Tuneplane with one API key. One an event loop is enough: any number of tasks may share it."""

    def __init__(
        self,
        server: str,
        api_key: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        stale_if_error_seconds: float | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        http: Callable[[], httpx2.AsyncClient] = httpx2.AsyncClient,
        now: Callable[[], float] = time.time,
    ) -> None:
        """As for Resolver. The files of `folder` are small and local: they are read and written in the loop itself."""
        self._server = server.rstrip("/")
        self._core = Core(
            self._server, api_key,
            folder=folder, stale_if_error_seconds=stale_if_error_seconds, timeout_seconds=timeout_seconds, now=now,
        )  # fmt: skip
        self._make_http = http
        self._http: httpx2.AsyncClient | None = None
        self._behind: set[asyncio.Task[None]] = set()

    async def resolve(self, name: str, *, alias: str = ALIAS_DEFAULT, key: str | None = None) -> Resolution:
        """As Resolver.resolve."""
        question = Question(name, alias)
        plan = self._core.plan(question)
        if isinstance(plan, Ask):
            answer = await self._asked(plan)
        else:
            answer, ask = plan
            if ask is not None:
                task = asyncio.create_task(self._ask_behind(ask))
                self._behind.add(task)  # the loop itself keeps only a weak hold of it
                task.add_done_callback(self._behind.discard)
        return answer.resolution(question, key, self._core.now())

    async def close(self) -> None:
        """Close the connections. The resolver may be used again, and opens new ones."""
        for task in list(self._behind):
            task.cancel()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask_behind(self, ask: Ask) -> None:
        with suppress(ResolveError):  # whoever asks next is told
            await self._asked(ask)

    async def _asked(self, ask: Ask) -> Answer:
        if self._http is None:
            self._http = self._make_http()
        try:
            said = await self._http.get(
                self._server + ask.path, headers=dict(ask.headers), timeout=self._core.timeout_seconds
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            return self._core.fail(ask, repr(error))
        return self._core.take(ask, said.status_code, said.headers, said.text)
