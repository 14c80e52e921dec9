"""Workers die and fall asleep at each point of docs/protocol.md, each at a job of its own, many jobs at once.

A case is one job, struck at one point in one way, with one fault of its creation. Its play is a generator: it runs up
to its first `yield` before any worker sees the job, and is then continued again and again until the job has ended.
"""

import os
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from service.jobs import SUBMIT
from service.kit import queue
from tests.faults.site import Row, Site, key_of, uuid_of
from tests.launcher import TELL, order
from tests.until import until

POINTS: Final = (*(f"P{n}" for n in range(1, 15)), "seen", "written")
"""Those of docs/protocol.md, and two of following: news in hand but not recorded, and just recorded."""
WAYS: Final = ("KILL", "STOP")

NOT_CREATED: Final[list[dict[str, Any]]] = [
    {"kind": "drop"},
    {"kind": "status", "status": 500},
    {"kind": "garbage"},
    {"kind": "status", "status": 503, "retry_after": 1},
    {"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after": 1},
]
CREATED_UNHEARD: Final[list[dict[str, Any]]] = [
    {"kind": "create_then_500"},
    {"kind": "create_then_drop"},
    {"kind": "delay"},  # created after the client has given up
    {"kind": "delay", "after": True},  # created at once, answered too late
]
CREATION_FAULTS: Final = [{}, *NOT_CREATED, *CREATED_UNHEARD]
"""What may befall a creation, or nothing. Lag of the list comes on top, of all of them."""

Acts = Generator[None, None, None]


@dataclass
class Case:
    """One job, struck at one point in one way."""

    site: Site
    point: str
    how: str  # KILL or STOP
    seed: int
    fault: dict[str, Any]
    job: str = ""
    tries: int = 0
    was_struck: bool = field(default=False, init=False)
    row: Row | None = field(default=None, init=False)
    began: float = field(default=0.0, init=False)
    sleeper: int | None = field(default=None, init=False)
    ordered: dict[Path, str] = field(default_factory=dict, init=False)
    woken: set[int] = field(default_factory=set, init=False)

    def __str__(self) -> str:
        return f"{self.point} {self.how} seed {self.seed} {self.fault or 'no fault'} {self.job}"

    @property
    def key(self) -> str:
        return key_of(self.job)

    @property
    def is_over(self) -> bool:
        return self.row is not None and self.row.is_over

    # ---------------------------------------------------------------------------------- what a play is made of
    def spoil(self, **fault: Any) -> str:
        """A fault for the creation of this job alone."""
        return self.site.spoil_creation(**fault, metadata={"tuneplane_submission": self.key})

    def order(self, step: str, when: str, how: str) -> Path:
        struck = order(self.site.strikes, step, when, how, job=self.key)
        self.ordered[struck] = how
        return struck

    def let_go(self) -> None:
        """Withdraw the orders nobody has carried out; whoever has just fallen asleep of one is woken."""
        for struck, how in self.ordered.items():
            asked = struck.with_suffix("")
            asked.unlink(missing_ok=True)
            taken = struck.exists() or any(asked.parent.glob(f"{asked.name}.[0-9]*"))
            if taken and how == "STOP":
                until(struck.exists, within=10, what=f"{asked.name} to be carried out")
                self._wake_when_asleep(int(struck.read_text()))

    def _wake_when_asleep(self, process: int) -> None:
        if process not in self.woken:
            until(lambda: _sleeps(process), within=10, what=f"{process} to fall asleep")
            self.wake(process)

    def until_struck(self, *struck: Path) -> Generator[None, None, int | None]:
        """The struck worker's process id, at the first of these places; None where the job ended without passing."""
        while not any(one.exists() for one in struck):
            if self.is_over:
                return None
            yield
        self.was_struck = True
        for one in struck:
            one.with_suffix("").unlink(missing_ok=True)  # whatever was ordered elsewhere
        return int(next(one for one in struck if one.exists()).read_text())

    def until_overtaken(self) -> Acts:
        """Another worker has claimed the job, or it has ended."""
        yield  # the row as we know it may be from before the sleeper's own claim
        fence = self.fence
        while self.fence == fence and not self.is_over:
            yield

    @property
    def fence(self) -> int:
        return self.row.fence if self.row else 0

    def until_held(self, fault: str) -> Acts:
        while not self.is_over and not self._held(fault):
            yield

    def _held(self, fault: str) -> int:
        found = [one["held"] for one in self.site.emulator.faults()["faults"] if one["id"] == fault]
        return int(found[0]) if found else 0

    def strike(self, process: int, how: str) -> None:
        """Strike the process ourselves; it may have died of another case's strike."""
        self.was_struck = True
        self.sleeper = process if how == "STOP" else None
        _send(process, how)

    def wake(self, process: int) -> None:
        self.sleeper = None
        self.woken.add(process)
        _send(process, "CONT")


def _sleeps(process: int) -> bool:
    """Or is no more."""
    return not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_STOPPED


def _send(process: int, how: str) -> None:
    try:
        os.kill(process, getattr(signal, f"SIG{how}"))
    except ProcessLookupError:
        return


# -------------------------------------------------------------------------------------------------------- the plays
def at(step: str, when: str, *, or_else: str | None = None) -> Callable[[Case], Acts]:
    """Struck by a step of the flow itself; a sleeper goes on when another worker has claimed the job."""

    def play(case: Case) -> Acts:
        if case.fault:
            case.spoil(**case.fault)
        struck = [case.order(one, when, case.how) for one in (step, or_else) if one]
        yield
        process = yield from case.until_struck(*struck)
        if process is not None and case.how == "STOP":
            case.sleeper = process
            yield from case.until_overtaken()
            case.wake(process)

    return play


def where_it_is_written(when: str) -> Callable[[Case], Acts]:
    """P6 to P8: the job's id is in hand and goes into the row, by the answer itself or by a search that found it."""
    return at("submission.record", when, or_else="searching.record_found")


def in_the_call(case: Case) -> Acts:
    """P5: bytes sent, no reply. The effect comes before or after the worker's end, as the seed has it."""
    yield from _in_the_call(case, lose_lock=False)


def without_the_lock(case: Case) -> Acts:
    """P9: the lock's connection is lost, in the call or just before the check that precedes it."""
    if case.seed % 2:
        yield from _before_the_check(case)
    else:
        yield from _in_the_call(case, lose_lock=True)


def _in_the_call(case: Case, *, lose_lock: bool) -> Acts:
    passing = case.order("gateway.create_job", "before", TELL)
    held = case.spoil(kind="hold_after" if case.seed % 4 < 2 else "hold")
    yield
    yield from case.until_held(held)
    if not passing.exists() or case.is_over:
        return
    process = int(passing.read_text())
    if lose_lock:
        case.site.end_lock(case.job)
    case.strike(process, case.how)
    case.site.emulator.release(held)
    if case.how == "STOP":
        yield from case.until_overtaken()
        case.wake(process)


def _before_the_check(case: Case) -> Acts:
    if case.fault:
        case.spoil(**case.fault)
    struck = case.order("submission.intent", "after", "STOP")
    yield
    process = yield from case.until_struck(struck)
    if process is None:
        return
    case.sleeper = process
    case.site.end_lock(case.job)
    if case.how == "KILL":
        case.strike(process, "KILL")
        return
    yield from case.until_overtaken()
    case.wake(process)


def doubled_hints(case: Case) -> Acts:
    """P13: ten messages for one job, and whoever claims it is struck."""
    if case.fault:
        case.spoil(**case.fault)
    struck = case.order("submission.claim", "after", case.how)
    for _ in range(10):
        queue.hint(SUBMIT, [uuid_of(case.job)])
    yield
    process = yield from case.until_struck(struck)
    if process is not None and case.how == "STOP":
        case.sleeper = process
        yield from case.until_overtaken()
        case.wake(process)


def lease_ends_asleep(case: Case) -> Acts:
    """P14: the lease ends while the worker sleeps just before its intent; it wakes, or is killed in its sleep."""
    if case.fault:
        case.spoil(**case.fault)
    struck = case.order("submission.intent", "before", "STOP")
    yield
    process = yield from case.until_struck(struck)
    if process is None:
        return
    case.sleeper = process
    yield from case.until_overtaken()
    case.strike(process, "KILL") if case.how == "KILL" else case.wake(process)


PLAYS: Final[dict[str, Callable[[Case], Acts]]] = {
    "P1": at("submission.claim", "after"),
    "P2": at("submission.reread", "before"),
    "P3": at("submission.intent", "before"),
    "P4": at("submission.intent", "after"),
    "P5": in_the_call,
    "P6": where_it_is_written("before"),
    "P7": where_it_is_written("commit"),
    "P8": where_it_is_written("after"),
    "P9": without_the_lock,
    "P10": at("submission.search", "before"),
    "P11": at("submission.record_unknown", "before"),
    "P12": at("submission.search", "after"),
    "P13": doubled_hints,
    "P14": lease_ends_asleep,
    "seen": at("following.record_progress", "before"),
    "written": at("following.record_progress", "after"),
}
OWN_FAULT: Final[dict[str, list[dict[str, Any]]]] = {
    "P10": [{"kind": "create_then_500"}],
    "P11": CREATED_UNHEARD[2:],
    "P12": [{"kind": "create_then_drop"}],  # and the list shows it late
}
