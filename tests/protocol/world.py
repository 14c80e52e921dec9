"""The ground the submission model stands on: one job's row, its lock, its money, a provider, some workers, one clock.

Each worker is a generator that yields the name of the step it is about to take; what lies between two yields is atomic.
So a schedule decides everything, and the same schedule always gives the same world; the promises are checked after each
step. `Guards` holds the safeguards; a mutation switches some off. Times are virtual seconds. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

LEASE = 60  # a claimed row is nobody else's
QUIET = 180  # after the first look this long, nothing sent before it can still be missing from a search
KEY = "tp1_key"

HELD, RELEASED, SETTLED = "held", "released", "settled"
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


class Broken(AssertionError):
    """A promise of the protocol does not hold."""


@dataclass(frozen=True)
class Guards:
    """The safeguards, all on. Tests switch them off one by one and demand that something breaks."""

    lock: bool = True  # a session advisory lock held from before the re-read until after the record
    lock_check: bool = True  # its connection is asked once more right before the call
    intent: bool = True  # committed alone before the call
    intent_if_null: bool = True  # an intent is never overwritten
    fence_at_intent: bool = True
    fence_at_record: bool = True
    record_if_null: bool = True  # record only where provider_job_id IS NULL
    posts_per_call: int = 1  # an SDK left at max_retries=2 makes it 3
    quiet: int = QUIET
    quiet_from_look: bool = True  # the quiet period runs from the first look under the lock, not from the intent
    empty_searches: int = 2
    search_without_metadata: bool = True  # training file, seed and time, where the provider dropped our key
    cancel_waits: bool = True  # a cancel never ends a job whose outcome is unknown


@dataclass
class Job:
    """The committed row."""

    state: str = "submitting"
    money: str = HELD
    fence: int = 0
    lease_until: int = 0
    due_at: int = 0
    attempts: int = 0
    intent_at: int | None = None
    searches: int = 0
    searched_at: int | None = None
    provider_job_id: int | None = None
    attention: str | None = None


@dataclass
class Remote:
    """A job at the provider. `created_at` may lie ahead of the clock: a request still being worked on."""

    id: int
    created_at: int
    visible_at: int
    key: str | None
    state: str = "live"


@dataclass(frozen=True)
class Behaviour:
    """What the provider does with one POST."""

    reply: str = "created"  # created | error | timeout | refused | throttled
    creates: bool = True  # whether an error or a timeout hides a created job
    delay: int = 0  # until it is created
    lag: int = 0  # from then until a search shows it
    strips: bool = False  # the metadata is dropped


@dataclass
class Worker:
    steps: Iterator[str] | None = None
    at: str = "idle"
    paused: bool = False


@dataclass
class World:
    program: Callable[[World, int], Iterator[str]]  # what a worker does: model.work
    guards: Guards = field(default_factory=Guards)
    workers: list[Worker] = field(default_factory=lambda: [Worker(), Worker(), Worker()])
    job: Job = field(default_factory=Job)
    remotes: list[Remote] = field(default_factory=list)
    coming: list[Behaviour] = field(default_factory=list)  # for the next POSTs; then the provider is well
    holder: int | None = None  # of the advisory lock
    now: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)  # every committed change
    alerts: list[str] = field(default_factory=list)
    checked: bool = True  # False where a test looks at what happens beyond the promises

    def check(self) -> None:
        """Raise Broken unless S and the money promises hold."""
        job, log = self.job, self.history
        standing = [r for r in self.remotes if r.state != "cancelled"]
        ends = [i for i, c in enumerate(log) if c.get("state") in TERMINAL]
        ids = {c["provider_job_id"] for c in log if "provider_job_id" in c}
        promises = {
            "S: never two jobs at the provider": len(standing) <= 1,
            "a terminal state is never left": not ends or ends == [len(log) - 1],
            "a recorded id never changes": len(ids) <= 1,
            "money moves once, with the end": [i for i, c in enumerate(log) if "money" in c] == ends,
            "money is held while a job may run": job.money == HELD or all(r.state != "live" for r in standing),
        }
        broken = [promise for promise, holds in promises.items() if not holds]
        if broken and self.checked:
            raise Broken("; ".join(broken))

    # --- what a schedule can do ---

    def step(self, who: int) -> None:
        """Let one worker take the step it stands before; an idle one begins with a claim (so hints may double)."""
        worker = self.workers[who]
        if worker.paused:
            return
        if worker.steps is None:
            worker.steps = self.program(self, who)
            worker.at = next(worker.steps)
        worker.at = next(worker.steps, "idle")
        if worker.at == "idle":
            worker.steps = None
        self.check()

    def run(self, who: int, until: str = "idle") -> None:
        """Step until the worker stands before `until` (or its work is over); a paused one does not move."""
        self.step(who)
        while self.workers[who].at not in (until, "idle") and not self.workers[who].paused:
            self.step(who)

    def turn(self, who: int, until: str = "idle") -> None:
        """Let a worker go on at the first moment the row may be claimed."""
        self.now = max(self.now, self.job.lease_until, self.job.due_at)
        self.run(who, until)

    def crash(self, who: int) -> None:
        """A kill -9: the steps are gone and the kernel closes the lock's connection."""
        self.workers[who] = Worker()
        self.drop_lock(who)

    def drop_lock(self, who: int) -> None:
        """Postgres or the network ends the lock's connection; the worker is not told."""
        if self.holder == who:
            self.holder = None

    def hint(self) -> None:
        """A webhook or a command makes the row due at once; it must not shorten any wait that safety needs."""
        self.job.due_at = self.now

    def live(self) -> list[int]:
        return [r.id for r in self.remotes if r.state == "live"]

    # --- database ---

    def claim(self) -> int | None:
        """The next fence, or None where there is nothing due or somebody has it."""
        job = self.job
        if job.state in TERMINAL or job.attention or job.due_at > self.now or job.lease_until > self.now:
            return None
        job.fence += 1
        job.lease_until = self.now + LEASE
        return job.fence

    def write(self, fence: int | None, /, **changes: Any) -> bool:
        """One committed unit guarded by the fence (None: unguarded); gives the lease back unless it says otherwise."""
        if fence is not None and fence != self.job.fence:
            return False
        vars(self.job).update({"lease_until": 0} | changes)
        self.history.append(changes)
        return True

    # --- provider ---

    def post(self) -> tuple[str, int | None]:
        """One POST: (reply, id). The reply is 'created', 'refused', 'throttled' or 'unknown'."""
        does = self.coming.pop(0) if self.coming else Behaviour()
        if does.reply in ("refused", "throttled"):
            return does.reply, None
        if does.reply == "created" or does.creates:
            born = self.now + does.delay
            self.remotes.append(Remote(len(self.remotes), born, born + does.lag, None if does.strips else KEY))
        return ("created", self.remotes[-1].id) if does.reply == "created" else ("unknown", None)

    def visible(self) -> list[Remote]:
        return sorted((r for r in self.remotes if r.visible_at <= self.now), key=lambda r: (r.created_at, r.id))

    def search(self) -> list[Remote]:
        """By our key first; where that finds nothing, recent jobs without metadata by training file, seed and time."""
        by_key = [r for r in self.visible() if r.key == KEY]
        if by_key or not self.guards.search_without_metadata:
            return by_key
        since = self.job.intent_at or 0
        return [r for r in self.visible() if r.key is None and r.created_at >= since]
