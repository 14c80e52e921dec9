"""Virtual time: starts now or when told, runs `speed` times as fast, and can be moved forward by hand."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime


class Clock:
    """Virtual unix seconds. Never goes back: neither a new speed nor an advance can make it."""

    def __init__(self, speed: float, start: float | None = None) -> None:
        self.speed = speed
        self._virtual = time.time() if start is None else start
        self._anchor = time.monotonic()

    def now(self) -> float:
        return self._virtual + (time.monotonic() - self._anchor) * self.speed

    def advance(self, seconds: float) -> None:
        """Jump forward by virtual seconds (>= 0)."""
        self._virtual += seconds

    def set_speed(self, speed: float) -> None:
        """From this moment on, `speed` (>= 0) virtual seconds pass in a real one."""
        self._virtual, self._anchor = self.now(), time.monotonic()
        self.speed = speed


def moment(given: str | date) -> float:
    """The unix time of an instant, in UTC unless it says otherwise, or of the beginning of a day; raises ValueError."""
    at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
