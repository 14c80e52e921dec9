"""Running the application under uvicorn: announcing the port, dropping connections, stopping at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from emulator.faults import ABORT


class DroppableProtocol(HttpToolsProtocol):
    """Hands the application a way to close its connection without an answer, which ASGI does not have."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]


class Server(uvicorn.Server):
    """Calls `ready` with the real port (0 on a unix socket) once connections are accepted."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            address = self.servers[0].sockets[0].getsockname()
            self._ready(address[1] if isinstance(address, tuple) else 0)


def serve(app: ASGIApp, *, host: str, port: int, uds: Path | None, ready: Callable[[int], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests then still in hand are cut off."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        uds=str(uds) if uds else None,
        http=DroppableProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # the 5 s of uvicorn would end connections that pooling clients are about to use
        timeout_graceful_shutdown=0.3,  # type: ignore[arg-type]  # handed to asyncio.wait_for, which takes parts of a second
    )
    Server(config, ready).run()
