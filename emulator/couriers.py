"""Bringing webhooks to their endpoints: a task for each, which sleeps until something is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import httpx2

from emulator.clock import Clock
from emulator.webhooks import Attempt, Delivery, Endpoint

ANSWER_SECONDS = 5.0  # real; "within a few seconds" is all that is established
SLEEP_SECONDS_MAX = 3600.0


class Couriers:
    """Endpoints and those who run for them.

    `settle` lets happen what virtual time has brought, `next_event_at` tells when it will bring something again.
    """

    def __init__(self, clock: Clock, settle: Callable[[], None], next_event_at: Callable[[], float]) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self._clock = clock
        self._settle = settle
        self._next_event_at = next_event_at
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarms: dict[str, asyncio.Event] = {}
        self._client: httpx2.AsyncClient | None = None

    def add(self, endpoint: Endpoint) -> None:
        """Serve the endpoint from now on."""
        self.endpoints[endpoint.id] = endpoint
        self._alarms[endpoint.id] = asyncio.Event()
        self._tasks[endpoint.id] = asyncio.get_running_loop().create_task(self._run(endpoint))

    def remove(self, endpoint: Endpoint) -> None:
        """Tell it nothing more; an attempt under way is broken off."""
        del self.endpoints[endpoint.id], self._alarms[endpoint.id]
        self._tasks.pop(endpoint.id).cancel()

    def tell(self, project: str, status: str, job_id: str, at: float) -> None:
        """A job of the project has ended so, at that virtual time."""
        for endpoint in self.endpoints.values():
            if endpoint.project == project:
                endpoint.tell(f"fine_tuning.job.{status}", job_id, at)
        self.wake()

    def wake(self) -> None:
        """Look again: the clock was moved, or something is to come at another time than was known."""
        for alarm in self._alarms.values():
            alarm.set()

    async def _run(self, endpoint: Endpoint) -> None:
        alarm = self._alarms[endpoint.id]
        while True:
            alarm.clear()
            self._settle()
            while delivery := endpoint.pop_due(self._clock.now()):
                endpoint.put_back(delivery, await self._attempt(endpoint, delivery))
            with suppress(TimeoutError):
                await asyncio.wait_for(alarm.wait(), self._sleep_seconds(endpoint))

    def _sleep_seconds(self, endpoint: Endpoint) -> float:
        """Real seconds until something is due, as the clock runs now."""
        left = min(endpoint.next_at, self._next_event_at()) - self._clock.now()
        if left <= 0:
            return 0.0
        return min(SLEEP_SECONDS_MAX, left / self._clock.speed) if self._clock.speed else SLEEP_SECONDS_MAX

    async def _attempt(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        """One POST; a redirection is not followed."""
        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)
        at, real_at = self._clock.now(), time.time()
        try:
            answer = await self._client.post(
                endpoint.url, content=delivery.body, headers=endpoint.headers(delivery), follow_redirects=False
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Attempt(at, real_at, None, f"{type(error).__name__}: {error}")
        return Attempt(at, real_at, answer.status_code)
