"""What only the database knows, told by each dispatcher: jobs by state, how long work waits, what needs a person."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service import jobs
from service.kit import circuit, oversight
from service.kit.db import read_only
from service.kit.errors import Unavailable
from service.kit.identity import WORKER
from workers.schedule import STEPS


class DatabaseCollector(Collector):
    """Asks the database when Prometheus asks, in one short read-only unit; a database that is away is told as such."""

    def collect(self) -> Iterator[Metric]:
        """Every gauge, or only `finetune_database_up` at 0."""
        up = GaugeMetricFamily("finetune_database_up", "Whether the database answered.", value=1)
        try:
            with read_only(WORKER) as session:
                told = [*_jobs(session), *_due(session), *_strays(session), *_waiting(session), *_circuits(session)]
        except Unavailable:
            up = GaugeMetricFamily("finetune_database_up", "Whether the database answered.", value=0)
            told = []
        yield up
        yield from told


def _jobs(session: Session) -> Iterator[Metric]:
    by_state = GaugeMetricFamily("finetune_jobs", "Jobs by state.", labels=["status"])
    for state, count in session.execute(select(jobs.Job.state, func.count()).group_by(jobs.Job.state)):
        by_state.add_metric([state], count)
    yield by_state


def _strays(session: Session) -> Iterator[Metric]:
    found = GaugeMetricFamily("finetune_strays", "Jobs met at a provider and not settled yet.", labels=["kind"])
    open_ones = select(jobs.StrayJob.kind, func.count()).where(jobs.StrayJob.settled_at.is_(None))
    for kind, count in session.execute(open_ones.group_by(jobs.StrayJob.kind)):
        found.add_metric([kind], count)
    yield found


def _waiting(session: Session) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("finetune_turns_waiting", "Queued jobs without a slot.", labels=["model", "reason"])
    for (model, reason), count in jobs.turns_waiting(session).items():
        waiting.add_metric([model, reason], count)
    yield waiting


def _circuits(session: Session) -> Iterator[Metric]:
    shut = GaugeMetricFamily("finetune_account_circuits_open", "Provider accounts left alone.", labels=["use"])
    opened = Counter(one.name.partition(":")[2] for one in circuit.openings(session, also_on_trial=True))
    for use in ("create", "ask"):
        shut.add_metric([use], opened[use])
    yield shut


def _due(session: Session) -> Iterator[Metric]:
    oldest = GaugeMetricFamily("finetune_due_oldest_seconds", "How long the oldest due row waits.", labels=["kind"])
    waiting = GaugeMetricFamily("finetune_due", "Rows that are due and nobody works on.", labels=["kind"])
    stuck = GaugeMetricFamily("finetune_attention", "Rows that wait for a person.", labels=["kind"])
    for step in STEPS:
        backlog = oversight.backlog(session, step.kind)
        oldest.add_metric([step.kind.name], backlog.oldest_seconds)
        waiting.add_metric([step.kind.name], backlog.due)
        stuck.add_metric([step.kind.name], backlog.attention)
    yield from (oldest, waiting, stuck)
