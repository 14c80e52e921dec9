"""A proxy that spoils a connection: latency, bandwidth, silence, refusal, cuts. In front of Postgres, broker, provider.

    with Proxy(postgres.socket) as proxy:
        proxy.cut_on = re.compile(b"COMMIT")      # the next COMMIT is carried out, and its answer lost
        ...
        proxy.heal()

The switches are plain attributes that may be changed while connections are open; one loop in a thread serves them all.
"""

import asyncio
import re
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

_CHUNK_BYTES = 65536


@dataclass(eq=False)
class _Link:
    """One connection through the proxy, and what became of it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    answered_bytes: int = 0
    is_marked: bool = False  # its next answer is swallowed and it is cut
    is_holed: bool = False  # bytes of it were swallowed: it can never be whole again

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass
class Proxy:
    """Listens on a TCP port of its own and passes everything on to `target`, a unix socket or a TCP port here."""

    target: Path | int
    latency_seconds: float = 0.0  # of each chunk, each way
    bytes_per_second: float | None = None
    is_silent: bool = False  # half-open: connections stand, nothing arrives
    cut_after_bytes: int | None = None  # an answer is cut off after so many bytes of its connection
    cut_on: "re.Pattern[bytes] | None" = None  # what is asked like this is passed on, and its answer lost
    cuts_left: int | None = None  # how often `cut_on` still cuts; None: always
    replaced: dict[bytes, bytes] = field(default_factory=dict)  # in answers, each with as many bytes
    cuts: int = field(default=0, init=False)
    port: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._do(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def accept(self) -> None:
        """Take connections, on the same port as before."""
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Nobody listens any more: open connections are reset and new ones refused."""

        async def close() -> None:
            self._server.close()

        self._do(close())
        self.reset()

    def reset(self) -> None:
        """End every open connection without a word."""

        async def end() -> None:
            for link in list(self._links):
                link.abort()

        self._do(end())

    def heal(self) -> None:
        """Pass on everything again; connections that lost bytes are ended."""
        self.latency_seconds, self.bytes_per_second, self.is_silent = 0.0, None, False
        self.cut_after_bytes = self.cut_on = self.cuts_left = None
        self.replaced = {}

        async def end_holed() -> None:
            for link in list(self._links):
                if link.is_holed:
                    link.abort()

        self._do(end_holed())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.target, Path):
                from_server, to_server = await asyncio.open_unix_connection(str(self.target))
            else:
                from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            to_client.transport.abort()
            return
        link = _Link(to_client, to_server)
        self._links.add(link)
        try:
            with suppress(asyncio.CancelledError):  # the proxy ends: a stream's callback would tell of it at length
                await asyncio.gather(self._questions(link, from_client), self._answers(link, from_server))
        finally:
            self._links.discard(link)
            link.abort()

    async def _questions(self, link: _Link, source: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while chunk := await source.read(_CHUNK_BYTES):
                if not await self._may_pass(link, chunk):
                    continue
                if self.cut_on and self.cuts_left != 0 and self.cut_on.search(chunk):
                    self.cuts_left = None if self.cuts_left is None else self.cuts_left - 1
                    link.is_marked = True
                link.server.write(chunk)
                await link.server.drain()
        link.server.transport.abort()

    async def _answers(self, link: _Link, source: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while chunk := await source.read(_CHUNK_BYTES):
                if not await self._may_pass(link, chunk):
                    continue
                if link.is_marked:
                    self.cuts += 1
                    break
                for old, new in self.replaced.items():
                    chunk = chunk.replace(old, new)
                if self.cut_after_bytes is not None and link.answered_bytes + len(chunk) > self.cut_after_bytes:
                    self.cuts += 1
                    link.client.write(chunk[: max(self.cut_after_bytes - link.answered_bytes, 0)])
                    await link.client.drain()
                    break
                link.answered_bytes += len(chunk)
                link.client.write(chunk)
                await link.client.drain()
        link.client.close()
        link.server.transport.abort()

    async def _may_pass(self, link: _Link, chunk: bytes) -> bool:
        """Delay the chunk as asked; False when it is swallowed."""
        if self.is_silent:
            link.is_holed = True
        if link.is_holed:
            return False
        pause = self.latency_seconds + (len(chunk) / self.bytes_per_second if self.bytes_per_second else 0)
        if pause:
            await asyncio.sleep(pause)
        return True
