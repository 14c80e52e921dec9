"""Webhooks out: what is told to whom, signed by Standard Webhooks, and when it is tried again (§2).

Only that a job has succeeded, failed or been cancelled is told, by its id alone. Deliveries are due in virtual time, so
the 72 hours of OpenAI's schedule pass as fast as the clock is told to run.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import hmac
import itertools
import json
import math
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emulator import ids
from emulator.errors import invalid

EVENTS = ("fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled")
# Four times as long each time, at most a day, over three days. Only "exponential, up to 72 h" is established.
RETRY_SECONDS = (5.0, 20.0, 80.0, 320.0, 1280.0, 5120.0, 20_480.0, 81_920.0, 86_400.0, 63_575.0)
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
USER_AGENT = "OpenAI/1.0 (emulator)"


@dataclass(frozen=True)
class Attempt:
    """One delivery tried: virtual and real time, and the status answered or why there was none."""

    at: float
    real_at: float
    status: int | None
    error: str | None = None

    @property
    def taken(self) -> bool:
        """Anything but 2xx is a failure, a redirection too."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(eq=False)
class Delivery:
    """One event on its way to one endpoint; `due_at` is math.inf once it was taken or given up."""

    event: dict[str, Any]
    due_at: float
    id: str = field(default_factory=lambda: ids.fresh("wh_"))
    attempts: list[Attempt] = field(default_factory=list)
    state: str = "waiting"

    @property
    def body(self) -> bytes:
        return json.dumps(self.event, separators=(",", ":")).encode()

    def note(self, attempt: Attempt, retry_seconds: list[float]) -> None:
        """What came of an attempt: the end, or when the next one is due."""
        self.attempts.append(attempt)
        tries = len(self.attempts)
        if attempt.taken:
            self.state, self.due_at = "delivered", math.inf
        elif tries > len(retry_seconds):
            self.state, self.due_at = "given_up", math.inf
        else:
            self.due_at = attempt.at + retry_seconds[tries - 1]

    def view(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.event["type"],
            "job": self.event["data"]["id"],
            "state": self.state,
            "due_at": None if self.due_at == math.inf else self.due_at,
            "attempts": [vars(attempt) for attempt in self.attempts],
        }


@dataclass
class Endpoint:
    """Where a project's events go.

    `late_seconds` are waited before the first attempts, in turn: [60, 0] delivers every second event before the one
    that came first. `copies` of every event go out. `secrets` all sign, as while one is being rotated.
    """

    url: str
    project: str
    secrets: list[str]
    events: tuple[str, ...] = EVENTS
    retry_seconds: list[float] = field(default_factory=lambda: list(RETRY_SECONDS))
    late_seconds: list[float] = field(default_factory=lambda: [0.0])
    copies: int = 1
    id: str = field(default_factory=lambda: ids.fresh("we_", 12))
    deliveries: list[Delivery] = field(default_factory=list)
    _told: int = 0
    _waiting: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def tell(self, kind: str, job_id: str, at: float) -> None:
        """Set out an event of virtual time `at`, if it is one the endpoint wants."""
        if kind not in self.events:
            return
        event = {
            "id": ids.fresh("evt_"),
            "object": "event",
            "type": kind,
            "created_at": int(at),
            "data": {"id": job_id},
        }
        due_at = at + self.late_seconds[self._told % len(self.late_seconds)]
        self._told += 1
        first = Delivery(event, due_at)
        for delivery in [first, *(Delivery(event, due_at, id=first.id) for _ in range(self.copies - 1))]:
            self.deliveries.append(delivery)
            self._wait(delivery)

    def pop_due(self, now: float) -> Delivery | None:
        """The delivery due longest, if any; `put_back` it with what came of it."""
        return heapq.heappop(self._waiting)[2] if self.next_at <= now else None

    def put_back(self, delivery: Delivery, attempt: Attempt) -> None:
        delivery.note(attempt, self.retry_seconds)
        if delivery.due_at < math.inf:
            self._wait(delivery)

    def _wait(self, delivery: Delivery) -> None:
        heapq.heappush(self._waiting, (delivery.due_at, next(self._order), delivery))

    @property
    def next_at(self) -> float:
        """When the next attempt is due; math.inf for never."""
        return self._waiting[0][0] if self._waiting else math.inf

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The headers of one attempt. Its time is real: receivers compare it with their own clocks."""
        timestamp = str(int(time.time()))
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": delivery.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(sign(one, delivery.id, timestamp, delivery.body) for one in self.secrets),
        }

    def view(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in FIELDS}
        return {"id": self.id, **shown, "deliveries": [delivery.view() for delivery in self.deliveries]}


FIELDS = ("url", "project", "secrets", "events", "retry_seconds", "late_seconds", "copies")


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """One signature of the webhook-signature header."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def parse(script: dict[str, Any], default_project: str) -> Endpoint:
    """An endpoint from the control API's JSON; raises a 400 that says what is wrong with it."""
    known = (*FIELDS, "secret")
    for name in script:
        if name not in known:
            raise invalid(f"Unknown field; there are: {', '.join(known)}.", param=name)
    for name, right in _CHECKS.items():
        if name in script and not right(script[name]):
            raise invalid(f"'{name}' cannot be {script[name]!r}.", param=name)
    if "url" not in script:
        raise invalid("'url' must be given.", param="url")
    given = {name: script[name] for name in FIELDS if name in script and name != "secrets"}
    if "events" in given:
        given["events"] = tuple(given["events"])
    mine = script.get("secrets") or [script.get("secret") or new_secret()]
    return Endpoint(**{"project": default_project, **given}, secrets=mine)


def is_secret(value: Any) -> bool:
    if not isinstance(value, str) or not value.startswith(SECRET_PREFIX):
        return False
    try:
        return len(base64.b64decode(value.removeprefix(SECRET_PREFIX), validate=True)) > 0
    except (binascii.Error, ValueError):
        return False


def _are_seconds(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < math.inf for one in value
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "url": lambda value: isinstance(value, str) and value.startswith(("http://", "https://")),
    "project": lambda value: isinstance(value, str) and bool(value),
    "secret": is_secret,
    "secrets": lambda value: isinstance(value, list) and bool(value) and all(map(is_secret, value)),
    "events": lambda value: isinstance(value, list) and all(one in EVENTS for one in value),
    "retry_seconds": _are_seconds,
    "late_seconds": lambda value: _are_seconds(value) and bool(value),
    "copies": lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10,
}
