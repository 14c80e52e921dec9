"""The course of a job over virtual time: when it validates, queues, trains, is paused and goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

VALIDATION_SECONDS = 5.0
QUEUE_SECONDS = 5.0


@dataclass
class Pause:
    """Training stood still from `at`; from `resumed_at` (None: not yet) the job queued again."""

    at: float
    resumed_at: float | None = None

    @property
    def ends_at(self) -> float:
        """When training went on."""
        return math.inf if self.resumed_at is None else self.resumed_at + QUEUE_SECONDS


@dataclass
class Course:
    """Moments of one job, in virtual unix seconds; math.inf is a moment that does not come.

    A job may be stuck: it then stays in the status `stuck_in` for `stuck_seconds` more, when running before it trains.
    """

    created_at: float
    stuck_in: str = "queued"
    stuck_seconds: float = 0.0
    pauses: list[Pause] = field(default_factory=list)

    def _stuck(self, status: str) -> float:
        return self.stuck_seconds if status == self.stuck_in else 0.0

    @property
    def validated_at(self) -> float:
        return self.created_at + VALIDATION_SECONDS + self._stuck("validating_files")

    @property
    def started_at(self) -> float:
        return self.validated_at + QUEUE_SECONDS + self._stuck("queued")

    def release(self, now: float) -> None:
        """Let a job that is stuck, or would come to be, go on as if it had been so until now only."""
        self.stuck_seconds, stuck_seconds = 0.0, self.stuck_seconds
        ends = {
            "validating_files": self.validated_at,
            "queued": self.started_at,
            "running": self.started_at,
        }
        self.stuck_seconds = min(stuck_seconds, max(0.0, now - ends[self.stuck_in]))

    def _runs(self) -> Iterator[tuple[float, float]]:
        """The stretches in which the job trains: from, to."""
        start = self.started_at + self._stuck("running")
        for pause in self.pauses:
            yield start, pause.at
            start = pause.ends_at
        yield start, math.inf

    def trained_seconds(self, until: float) -> float:
        """How long the job has trained by `until`, had training no end."""
        return sum(max(0.0, min(end, until) - start) for start, end in self._runs())

    def moment_of(self, trained_seconds: float) -> float:
        """When the job has trained so long."""
        left = trained_seconds
        for start, end in self._runs():
            if start == math.inf:
                break
            if left <= end - start:
                return start + left
            left -= end - start
        return math.inf

    def phase(self, now: float) -> str:
        """The status of a job that neither failed nor ended."""
        if now < self.validated_at:
            return "validating_files"
        if now < self.started_at:
            return "queued"
        pause = next((one for one in self.pauses if one.at <= now < one.ends_at), None)
        if pause is None:
            return "running"
        return "queued" if pause.resumed_at is not None and now >= pause.resumed_at else "paused"
