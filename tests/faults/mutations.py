"""Each safeguard removed in turn must turn the matrix red; with all of them in place the same schedules stay green."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.faults.clients import Submitter
from tests.faults.matrix import Draw, fault
from tests.faults.site import Site, key_of
from tests.launcher import MUTATIONS, order
from tests.until import until

_JOBS = 3


def answers_are_lost(site: Site) -> str:
    """P10: created, and the connection dropped."""
    client = site.submitter(own_account=True)
    site.spoil_creation(kind="create_then_drop", times=_JOBS)
    client.many(_JOBS)
    site.settle()
    return f"{_JOBS} answers lost"


def workers_die_with_the_answer_in_hand(site: Site) -> str:
    """P6: created, the reply read, and nobody wrote it down."""
    client = site.submitter(own_account=True)
    for _ in range(_JOBS):
        _submitted(site, client, ("gateway.create_job", "after", "KILL"))
    site.settle()
    return f"{_JOBS} workers killed with an answer in hand"


def sleeps_before_the_call(site: Site) -> str:
    """P4 and P14: asleep between intent and call, for longer than lease and quiet period together."""
    client = site.submitter(own_account=True)
    job, struck = _submitted(site, client, ("submission.intent", "after", "STOP"))
    sleeper, others = int(struck.read_text()), time.monotonic() + 2 * _recovery_seconds(site)
    try:
        until(lambda: site.rows([job])[job].provider_job_id or time.monotonic() > others, within=60)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    site.settle()
    return "one worker asleep between intent and call, for lease, quiet period and both searches"


def refusal_read_late(site: Site) -> str:
    """As in tests/protocol: a refusal in hand, the lock lost; others create the job and die; then it is written."""
    client = site.submitter(own_account=True)
    site.spoil_creation(kind="status", status=429, code="rate_limit_exceeded", retry_after=1)
    late, dies = ("submission.record_refusal", "before", "STOP"), ("gateway.create_job", "after", "KILL")
    job, struck = _submitted(site, client, late, dies)
    sleeper = int(struck.read_text())
    died = site.strikes / f"gateway.create_job.after@{key_of(job)}.struck"
    try:
        site.end_lock(job)
        until(died.exists, within=60, what="another worker to create the job and die")
    finally:
        os.kill(sleeper, signal.SIGCONT)
    site.settle()
    return "one refusal written after another worker had created the job"


def _recovery_seconds(site: Site) -> float:
    """From a worker's end to the conclusion that its call never happened."""
    return sum(float(site.settings[name]) for name in ("lease_seconds", "quiet_seconds", "search_interval_seconds"))


def _submitted(site: Site, client: Submitter, *strikes: tuple[str, str, str]) -> tuple[str, Path]:
    """A job with its strikes laid out before any worker hears of it, struck by the first of them."""
    with site.asleep(site.processes_of("dispatcher")):
        job = client.accepted()
        struck = [order(site.strikes, *one, job=key_of(job)) for one in strikes]
    until(struck[0].exists, within=30, what=f"{strikes[0]} to strike")
    return job, struck[0]


SCHEDULES: Final[dict[str, Callable[[Site], str]]] = {
    "no_intent": workers_die_with_the_answer_in_hand,
    "no_fence": refusal_read_late,
    "retries_on": answers_are_lost,
    "no_lock": sleeps_before_the_call,
}


@fault(
    "control",
    "the schedules of the mutations, nothing removed",
    injection="each of the four schedules below",
    expected="all invariants hold",
    start={"concurrency": 4},
)
def control(site: Site, _draw: Draw) -> str:
    return "; ".join(schedule(site) for schedule in SCHEDULES.values())


def _register(name: str, schedule: Callable[[Site], str]) -> None:
    @fault(
        f"mutation {name}",
        _first_line(MUTATIONS[name]),
        injection=f"workers without this safeguard; {_first_line(schedule)}",
        expected="the checker finds two jobs for one of ours (I2)",
        start={"concurrency": 4, "mutate": [name]},
        must_break="I2",
    )
    def play(site: Site, _draw: Draw) -> str:
        return schedule(site)


def _first_line(documented: Any) -> str:
    return str(documented.__doc__).splitlines()[0]


for _name, _schedule in SCHEDULES.items():
    _register(_name, _schedule)
