"""The edge: what every request passes on its way in and out, as one pure ASGI application around the others.

Not Starlette's BaseHTTPMiddleware: three of those cost four fifths of the throughput.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.draining import Draining
from service.api.errors import BodyTooLarge, BodyTooSlow
from service.api.handlers import respond
from service.kit import clock, ids, logs, metrics
from service.kit.settings import settings

log = logs.get(__name__)

PROBES: Final = frozenset({"/livez", "/readyz"})
STREAMED: Final = frozenset({"/v1/datasets"})  # uploads: their route counts the bytes against its own, larger limit
_SANE_REQUEST_ID: Final = re.compile(rb"[\w.:-]{1,64}")


def given_request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's own `x-request-id`, where it is harmless."""
    given = headers.get(b"x-request-id")
    return str(given, "ascii") if given is not None and _SANE_REQUEST_ID.fullmatch(given) else None


class Edge:
    """Gives every request an id, a limited body, a log line and safe headers; HEAD is answered wherever GET is."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lifespan and websockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Passage(scope, receive, send, closing=bool(self._draining)).run(self._app)


class _Passage:
    """One request on its way through."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, closing: bool) -> None:
        self._outer_receive, self._outer_send = receive, send
        self._is_head = scope["method"] == "HEAD"
        self._scope: Scope = {**scope, "method": "GET"} if self._is_head else scope
        headers = dict(scope["headers"])
        self._body = _Body(scope["path"], headers, receive)
        self._closing = closing
        self._request_id = given_request_id(headers) or ids.show("req", ids.new_id())
        self._status = 500
        self._complete = False
        self._scope.setdefault("state", {})["request_id"] = self._request_id

    async def run(self, app: ASGIApp) -> None:
        logs.clear()  # a connection's next request may inherit the context of the one before
        logs.bind(request_id=self._request_id)
        started = clock.monotonic()
        if self._body.announced_too_large:
            app = respond(Request(self._scope), self._body.too_large())
        try:
            await app(self._scope, self._body, self._send)
        except Exception:
            # Starlette answers 500 and raises again for the server to log. The handler has logged it already; what is
            # left is an answer that broke halfway, whose connection the server must cut.
            if not self._complete:
                raise
        finally:
            self._write_down(clock.monotonic() - started)

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers["x-request-id"] = self._request_id
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
            headers.update(self._scope["state"].get("rates", {}))
            if self._closing or self._body.is_unread:
                headers["connection"] = "close"
            message = {**message, "headers": headers.raw}
        elif message["type"] == "http.response.body":
            if self._is_head:
                if self._complete:
                    return
                # Complete with the first piece: an event stream would otherwise go on for nobody.
                message = {**message, "body": b"", "more_body": False}
            self._complete = not message.get("more_body", False)
        await self._outer_send(message)

    def _write_down(self, seconds: float) -> None:
        path = self._scope["path"]
        if path in PROBES:
            return
        route = getattr(self._scope.get("route"), "path", None)
        method = "HEAD" if self._is_head else self._scope["method"]
        log.info("http.request", method=method, route=route, status=self._status, ms=round(seconds * 1000, 1))
        metrics.REQUEST_SECONDS.labels(method, route or "none", self._status).observe(seconds)


class _Body:
    """The request's body, cut off when it is too large or too slow: neither uvicorn nor FastAPI does that."""

    def __init__(self, path: str, headers: Mapping[bytes, bytes], receive: Receive) -> None:
        length = headers.get(b"content-length", b"0")
        announced = int(length) if length.isdigit() else 0
        self._receive = receive
        self._left = None if path in STREAMED else settings().body_bytes_max
        self.announced_too_large = self._left is not None and announced > self._left
        self.is_unread = announced > 0 or b"transfer-encoding" in headers

    def too_large(self) -> BodyTooLarge:
        return BodyTooLarge(bytes_max=settings().body_bytes_max)

    async def __call__(self) -> Message:
        """The next piece. Raises BodyTooLarge and BodyTooSlow. After the last one, waits for the caller to go away."""
        if not self.is_unread:
            return await self._receive()
        idle_seconds = settings().body_idle_seconds
        try:
            async with asyncio.timeout(idle_seconds):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow(seconds=f"{idle_seconds:g}") from None
        if message["type"] == "http.request":
            if self._left is not None:
                self._left -= len(message.get("body", b""))
                if self._left < 0:
                    raise self.too_large()
            self.is_unread = message.get("more_body", False)
        return message
