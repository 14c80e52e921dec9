"""What is done when: the kinds of work with the flow that does each, and what ticks how often. One page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service import connections, costs, datasets, jobs, quotas, registry
from service.connections import flows as connection_flows
from service.costs import flows as cost_flows
from service.datasets import flows as dataset_flows
from service.jobs import flows as job_flows
from service.kit import clock, idempotency, ticks, work
from service.kit.db import unit_of_work
from service.kit.identity import SYSTEM, WORKER
from service.kit.settings import settings
from service.kit.threads import each
from service.registry import flows as registry_flows


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of work, and the flow that takes a batch of it. `short` ones the dispatcher may run itself."""

    kind: work.Kind
    run: Callable[[Sequence[UUID]], None]
    short: bool = True


def purge_idempotency_keys() -> None:
    """Forget Idempotency-Keys after their seven days."""
    with unit_of_work(SYSTEM) as session:
        idempotency.purge(session)


def purge_provider_webhooks() -> None:
    """Forget which webhooks came, once providers do not repeat them any more."""
    with unit_of_work(SYSTEM) as session:
        connections.purge_webhooks(session)


def fold_costs() -> None:
    """Add what was booked since the last time to the sums that reports read."""
    with unit_of_work(SYSTEM) as session:
        through = costs.booked_through(session)
    more = True
    while more:
        with unit_of_work(SYSTEM, seconds=settings().worker_unit_seconds) as session:
            more = costs.fold(session, through)


def take_back_grants() -> None:
    """Take granted budget that has expired out of the months it was in, and tell what that reaches."""
    with unit_of_work(SYSTEM) as session:
        quotas.take_back_grants(session, clock.now())


TICKS: Final[dict[str, tuple[float, Callable[[], None]]]] = {
    "idempotency.purge": (3600.0, purge_idempotency_keys),
    "connections.purge_webhooks": (3600.0, purge_provider_webhooks),
    "costs.fold": (settings().fold_costs_seconds, fold_costs),
    "datasets.sweep_uploads": (3600.0, dataset_flows.sweep_uploads),
    "datasets.sweep_orphans": (86_400.0, dataset_flows.sweep_orphans),
    "datasets.retain": (3600.0, dataset_flows.retain),
    "jobs.wake_erased": (settings().erase_copies_seconds, job_flows.wake_erased),
    "jobs.janitor": (settings().janitor_seconds, job_flows.sweep_jobs),
    "jobs.sweep_reservations": (settings().janitor_seconds, job_flows.sweep_reservations),
    "quotas.take_back_grants": (60.0, take_back_grants),
    "costs.reconcile": (settings().costs_seconds, cost_flows.reconcile),
    "costs.read_usage": (settings().usage_seconds, cost_flows.read_usage),
    "jobs.sweep_orphans": (86_400.0, job_flows.sweep_orphans),
}
"""Name → seconds between two runs, and what runs."""


def run_ticks(ids: Sequence[UUID]) -> None:
    """Run those of `ids` that are due and free. A tick that fails is logged and due again after its usual time."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, ticks.KIND, ids)
    each(claims, _run_tick)


def _run_tick(claimed: work.Claim) -> None:
    with unit_of_work(SYSTEM) as session:
        name = work.recording(session, ticks.Tick, claimed).name
    try:
        if name in TICKS:
            with ticks.held(claimed):
                TICKS[name][1]()
    finally:
        with unit_of_work(SYSTEM) as session:
            tick = work.recording(session, ticks.Tick, claimed)
            work.proceed(tick, seconds=tick.every_seconds)


STEPS: Final = (
    Step(jobs.PREPARE, job_flows.prepare),
    Step(jobs.SUBMIT, job_flows.submit),
    Step(jobs.FOLLOW, job_flows.follow),
    Step(jobs.COLLECT, job_flows.collect, short=False),
    Step(jobs.EXPIRE, job_flows.expire),
    Step(registry.PROBE, registry_flows.probe),
    Step(registry.MOVE, registry_flows.move),
    Step(connections.TEST, connection_flows.test),
    Step(datasets.VALIDATE, dataset_flows.validate, short=False),
    Step(datasets.READ_RANGE, dataset_flows.read_ranges, short=False),
    Step(datasets.PREPARE, dataset_flows.prepare, short=False),
    Step(datasets.ERASE, dataset_flows.erase),
    Step(ticks.KIND, run_ticks),
)
QUEUES: Final = tuple(dict.fromkeys(step.kind.queue for step in STEPS))
