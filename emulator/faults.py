"""Scripted trouble: which requests meet it, and what then happens to the effect and to the answer.

A fault strikes before the request has any effect, or (`after`) when the effect is done but not yet answered.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator import ids
from emulator.errors import ApiError, Json, invalid
from emulator.scripts import Types, checked

ABORT = "emulator.abort"
KINDS = ("status", "drop", "hold", "delay", "slow_body", "garbage")
ALIASES: dict[str, dict[str, Any]] = {
    "create_then_500": {"kind": "status", "status": 500, "after": True},
    "create_then_drop": {"kind": "drop", "after": True},
    "hold_after": {"kind": "hold", "after": True},
}
GARBAGE = b"<html><body>upstream \xff\xfe went away"
# What the control API accepts for each field, besides null where the default is null.
TYPES: Types = {
    "kind": str,
    "method": str,
    "path": str,
    "body_contains": str,
    "metadata": dict,
    "times": int,
    "probability": (int, float),
    "after": bool,
    "delay_seconds": (int, float),
    "status": int,
    "code": str,
    "message": str,
    "retry_after": (str, int, float),
    "should_retry": bool,
}
# Type and code of the error body where the script names none (§1.3).
USUAL = {
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    503: ("service_unavailable_error", "server_is_overloaded"),
}


@dataclass
class Fault:
    """One scripted fault. It strikes `times` times (None: always) requests whose method, path and body all match.

    `path` is a regular expression searched in the path (/v1/…), `body_contains` a text in the raw body, `metadata`
    pairs the JSON body's metadata must have. `probability` is its chance to strike one that matches. `delay_seconds`
    (real) passes before the fault does its work. `status` is 500 unless given, of garbage 502; `retry_after` goes out
    as it is given.
    """

    kind: str
    id: str = field(default_factory=lambda: ids.fresh("fault_", 12))
    method: str | None = None
    path: str = ""
    body_contains: str | None = None
    metadata: dict[str, str] | None = None
    times: int | None = 1
    probability: float = 1.0
    after: bool = False
    delay_seconds: float = 0.0
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: str | None = None
    should_retry: bool | None = None
    hits: int = field(default=0, init=False)
    held: list[asyncio.Future[None]] = field(default_factory=list, init=False)

    @classmethod
    def parse(cls, script: dict[str, Any]) -> Fault:
        """A fault from the control API's JSON; raises a 400 that says what is wrong with it."""
        script = {**script, **ALIASES.get(str(script.get("kind")), {})}
        if script.get("kind") not in KINDS:
            raise invalid(f"'kind' must be one of {', '.join([*KINDS, *ALIASES])}.", param="kind")
        script = checked(script, cls, TYPES)
        if script.get("retry_after") is not None:
            script["retry_after"] = str(script["retry_after"])
        try:
            re.compile(script.get("path", ""))
        except re.error as error:
            raise invalid(f"'path' is not a regular expression: {error}", param="path") from None
        return cls(**script)

    def matches_line(self, method: str, path: str) -> bool:
        left = self.times is None or self.hits < self.times
        return left and self.method in (None, method) and re.search(self.path, path) is not None

    def matches_body(self, body: bytes) -> bool:
        if self.body_contains is not None and self.body_contains.encode() not in body:
            return False
        return self.metadata is None or self.metadata.items() <= _metadata_of(body).items()

    def release(self) -> int:
        """Let every request held now go on; returns how many there were."""
        waiting = [hold for hold in self.held if not hold.done()]
        for hold in waiting:
            hold.set_result(None)
        return len(waiting)

    def view(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**shown, "held": len(self.held)}

    def answer(self) -> Response:
        """What the client gets instead of the true answer."""
        headers = {"retry-after": self.retry_after} if self.retry_after is not None else {}
        if self.should_retry is not None:
            headers["x-should-retry"] = str(self.should_retry).lower()
        if self.kind == "garbage":
            return Response(GARBAGE, self.status or 502, headers, media_type="text/html")
        status = self.status or 500
        kind, code = USUAL.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        error = ApiError(status, self.message or f"Scripted fault {self.id}", code=self.code or code, kind=kind)
        return Json(error.body, status, headers)


def _metadata_of(body: bytes) -> dict[str, Any]:
    try:
        metadata = json.loads(body).get("metadata")
    except (ValueError, AttributeError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


class Faults:
    """The script: faults in the order they were added; the first that matches strikes."""

    def __init__(self) -> None:
        self.all: dict[str, Fault] = {}
        self._dice = random.Random(0)

    def add(self, fault: Fault) -> None:
        self.all[fault.id] = fault

    def remove(self, fault_id: str) -> None:
        """Forget a fault; requests it holds go on."""
        self.all.pop(fault_id).release()

    def candidates(self, method: str, path: str) -> list[Fault]:
        return [fault for fault in self.all.values() if fault.matches_line(method, path)]

    def strikes(self, fault: Fault, body: bytes) -> bool:
        """Whether the fault, which matches the line, strikes this request."""
        return fault.matches_body(body) and self._dice.random() < fault.probability


class FaultInjection:
    """Plays the script on /v1 requests.

    The body of a request that may be struck is read first: so, held, it can take effect after its client has gone.
    """

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        may_strike = scope["type"] == "http" and scope["path"].startswith("/v1/")
        if not may_strike or not self._faults.candidates(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        replay = _replay(body, receive)
        candidates = self._faults.candidates(scope["method"], scope["path"])
        fault = next((one for one in candidates if self._faults.strikes(one, body)), None)
        if fault is None:
            await self._app(scope, replay, send)
            return
        fault.hits += 1
        scope["state"]["fault"] = fault.id
        strike = self._strike_after if fault.after or fault.kind == "slow_body" else self._strike_before
        await strike(fault, scope, replay, receive, send)

    async def _strike_before(self, fault: Fault, scope: Scope, replay: Receive, receive: Receive, send: Send) -> None:
        await _wait(fault)
        if fault.kind == "drop":
            await _drop(scope, receive)
        elif fault.kind in ("status", "garbage"):
            await fault.answer()(scope, receive, send)
        else:
            await self._app(scope, replay, send)

    async def _strike_after(self, fault: Fault, scope: Scope, replay: Receive, receive: Receive, send: Send) -> None:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, replay, keep)
        if fault.kind == "slow_body":
            await _send_slowly(answer, fault.delay_seconds, send)
            return
        await _wait(fault)
        if fault.kind == "drop":
            await _drop(scope, receive)
        elif fault.kind in ("status", "garbage"):
            await fault.answer()(scope, receive, send)
        else:
            for message in answer:
                await send(message)


async def _wait(fault: Fault) -> None:
    """The fault's delay, then, if it holds, its release."""
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    if fault.kind == "hold":
        hold = asyncio.get_running_loop().create_future()
        fault.held.append(hold)
        try:
            await hold
        finally:
            fault.held.remove(hold)


async def _send_slowly(answer: list[Message], delay_seconds: float, send: Send) -> None:
    """The head and half the body at once, the other half after the delay."""
    body = b"".join(message.get("body", b"") for message in answer[1:])
    await send(answer[0])
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await asyncio.sleep(delay_seconds)
    await send({"type": "http.response.body", "body": body[len(body) // 2 :]})


async def _drop(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer, by the transport's abort, which emulator.server hands down."""
    abort: Callable[[], None] = scope["extensions"][ABORT]
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that hands out the body once more and then whatever the connection says."""
    unread = [body]

    async def replayed() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replayed
