"""The dispatcher, the only publisher: finds due rows and hints at them. Run as many as you like; there is no leader.

While the broker is away it runs the short steps itself, under the same leases: slower, not stopped.
"""

import signal
import threading
from collections.abc import Sequence
from types import FrameType
from uuid import UUID

from service import jobs
from service.kit import clock, logs, metrics, queue, ticks, work
from service.kit.db import unit_of_work
from service.kit.errors import Unavailable
from service.kit.identity import SYSTEM, WORKER
from service.kit.settings import forget_provider_environment, settings
from workers.heartbeat import beat
from workers.metrics import DatabaseCollector
from workers.schedule import STEPS, TICKS, Step

log = logs.get(__name__)

_BATCHES_PER_LOOK = 20
_DATABASE_AWAY_SECONDS = 1.0


class Dispatcher:
    """The loop and what it remembers: since when the broker is away."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._away_since: float | None = None

    def run(self) -> None:
        """Look, hint, pause, until told to stop."""
        while not self._stopping.is_set():
            beat()
            try:
                busy = self.look()
            except Unavailable as error:
                log.warning("dispatcher.database_away", reason=error.code)
                self._stopping.wait(_DATABASE_AWAY_SECONDS)
                continue
            if not busy:
                self._stopping.wait(settings().dispatch_seconds)

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End after the present look."""
        self._stopping.set()

    def look(self) -> bool:
        """One look at every kind of work. True when some kind had more than one look takes."""
        grant_turns()
        found = [(step, batches) for step, batches in find_due() if batches]
        for step, batches in found:
            for number, batch in enumerate(batches):
                if not self._hint(step, batch):
                    self._rescue(step, batches[number:])  # the broker would refuse the rest too, each after a second
                    break
        return any(sum(map(len, batches)) == _limit(step) for step, batches in found)

    def _hint(self, step: Step, ids: Sequence[UUID]) -> bool:
        """Publish one batch. False while the broker is away: the rows stay due and are hinted at again."""
        try:
            queue.hint(step.kind, ids)
        except queue.BrokerAway as error:
            if self._away_since is None:
                self._away_since = clock.monotonic()
                log.warning("dispatcher.broker_away", reason=str(error))
            return False
        if self._away_since is not None:
            log.info("dispatcher.broker_back", seconds=round(clock.monotonic() - self._away_since, 1))
        self._away_since = None
        return True

    def _rescue(self, step: Step, batches: Sequence[Sequence[UUID]]) -> None:
        """Without a broker for long enough, do the short steps here; under the same leases nothing is done twice."""
        away = clock.monotonic() - (self._away_since or clock.monotonic())
        if step.short and away >= settings().rescue_after_seconds:
            for batch in batches:
                step.run(batch)


def grant_turns() -> None:
    """Let jobs go whose turn it is, before those that are due are looked for: a free slot is used within one look."""
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        turns = jobs.grant_turns(session)
    for turn in turns:
        metrics.TURNS_GRANTED.labels(turn.base_model).inc()


def find_due() -> list[tuple[Step, list[Sequence[UUID]]]]:
    """What is due of each kind, in batches; in one unit, for a look that finds nothing is what is done most."""
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        due = [(step, work.due(session, step.kind, limit=_limit(step))) for step in STEPS]
    return [
        (step, [ids[start : start + step.kind.batch] for start in range(0, len(ids), step.kind.batch)])
        for step, ids in due
    ]


def _limit(step: Step) -> int:
    return step.kind.batch * _BATCHES_PER_LOOK


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logs.configure(settings().log_level)
    forget_provider_environment()
    metrics.serve(DatabaseCollector())
    dispatcher = Dispatcher()
    signal.signal(signal.SIGTERM, dispatcher.stop)
    signal.signal(signal.SIGINT, dispatcher.stop)
    while True:
        try:
            with unit_of_work(SYSTEM) as session:
                ticks.install(session, [ticks.Schedule(name, seconds) for name, (seconds, _) in TICKS.items()])
            break
        except Unavailable:
            threading.Event().wait(_DATABASE_AWAY_SECONDS)
    dispatcher.run()


if __name__ == "__main__":
    main()
