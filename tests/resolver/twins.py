"""Both resolvers behind one face, so that every test holds for either."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import httpx2

from tests.resolver.served import NO_TLS, Served
from tuneplane_resolver import AsyncResolver, Resolution, Resolver


class Asking(Protocol):
    """What a chatbot does with either."""

    statuses: list[int]

    def resolve(self, name: str, *, alias: str = ..., key: str | None = ...) -> Resolution: ...

    def close(self) -> None: ...


class Threaded:
    """Resolver, and the statuses that its requests were answered with."""

    def __init__(self, served: Served, **options: Any) -> None:
        self.statuses: list[int] = []
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [lambda said: self.statuses.append(said.status_code)]}
        self._resolver = Resolver(
            served.url, served.key, now=served.clock,
            http=lambda: httpx2.Client(verify=NO_TLS, event_hooks=hooks), **options,
        )  # fmt: skip

    def resolve(self, name: str, *, alias: str = "production", key: str | None = None) -> Resolution:
        return self._resolver.resolve(name, alias=alias, key=key)

    def close(self) -> None:
        self._resolver.close()


class InALoop:
    """AsyncResolver in an event loop of its own thread."""

    def __init__(self, served: Served, **options: Any) -> None:
        self.statuses: list[int] = []

        async def seen(said: httpx2.Response) -> None:
            self.statuses.append(said.status_code)

        self._resolver = AsyncResolver(
            served.url, served.key, now=served.clock,
            http=lambda: httpx2.AsyncClient(verify=NO_TLS, event_hooks={"response": [seen]}), **options,
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def resolve(self, name: str, *, alias: str = "production", key: str | None = None) -> Resolution:
        asked = self._resolver.resolve(name, alias=alias, key=key)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(30)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._resolver.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def at_once(asking: Asking, callers: int) -> list[Resolution]:
    """So many ask at the same time."""
    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(lambda _: asking.resolve("support-bot"), range(callers)))
