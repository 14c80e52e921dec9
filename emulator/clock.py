"""Virtual time: starts at the real time, runs `speed` times as fast, and can be moved forward by hand."""

from __future__ import annotations

import time


class Clock:
    """Virtual unix seconds. Never goes back: neither a new speed nor an advance can make it."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._virtual = time.time()
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
