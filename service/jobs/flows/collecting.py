"""Fetching what came out of a job that has ended at the provider: its checkpoints and its table of steps.

A job's end never depends on it: the money is settled and the state final before, and what cannot be had after several
tries is given up with a word in the job's history.
"""

import io
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.jobs import measures, progress, queries
from service.jobs.flows.orders import Order, call_lease, look
from service.jobs.flows.outcomes import pause_after
from service.jobs.models import COLLECT, Job, JobCheckpoint, JobMetric
from service.jobs.rules import State
from service.kit import clock, logs, storage, work
from service.kit.db import unit_of_work
from service.kit.errors import Unavailable
from service.kit.identity import WORKER, worker_for
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import AccountRefused, NotThere, Paused, ProviderError, RateLimited, Unusable
from service.provider.openai import gateway
from service.provider.shapes import RemoteCheckpoint

log = logs.get(__name__)

TRIES_MAX: Final = 8  # with the engine's pauses between them: over some minutes
_PATIENCE: Final = timedelta(days=1)  # with an account that is left alone, which is no try
BYTES_MAX: Final = 64 * 1024**2
STEPS_MAX: Final = 5_000  # a curve needs no more; the whole table is kept as it is


def collect(ids: Sequence[UUID]) -> None:
    """Fetch for those of `ids` that are due and free what came out of them, side by side."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, COLLECT, ids, seconds=2 * call_lease())
    each(claims, _collect_one)


def _collect_one(claimed: Claim) -> None:
    with logs.bound(job=str(claimed.id), team=str(claimed.team)):
        if claimed.attempts > _tries():  # whatever it is that stops us before we can say so
            _later(claimed, Unusable("every try broke off"))
            return
        order = look(claimed)
        try:
            if order.job.provider_job_id is not None:
                checkpoints = gateway.list_checkpoints(order.credentials, order.job.provider_job_id)
                record_checkpoints(claimed, checkpoints)
            with tempfile.TemporaryFile() as table:
                found = _fetch_table(order, into=table)
                key = _keep(order, table) if found else None
                record_table(claimed, key, table)
        except (ProviderError, Unavailable) as trouble:
            _later(claimed, trouble)


def record_checkpoints(claimed: Claim, checkpoints: Sequence[RemoteCheckpoint]) -> None:
    """Write those that are new."""
    if not checkpoints:
        return
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        rows = [
            {
                "team_id": job.team_id, "job_id": job.id, "step": one.step, "provider_id": one.id, "model": one.model,
                "metrics": one.metrics, "at": one.created_at,
            }
            for one in checkpoints
        ]  # fmt: skip
        session.execute(insert(JobCheckpoint).on_conflict_do_nothing(), rows)


def _fetch_table(order: Order, *, into: IO[bytes]) -> bool:
    """Write the job's table of steps; False where it is to have none, as after a failure or a cancel."""
    job = order.job
    files = job.result_files
    if not files and job.state == State.SUCCEEDED and job.provider_job_id is not None:
        files = list(gateway.get_job(order.credentials, job.provider_job_id).result_files)
        if not files:
            raise NotThere("the provider names no result file")
    if not files:
        return False
    seconds = settings().provider_timeout_seconds
    gateway.read_results(order.credentials, files[0], into=into, bytes_max=BYTES_MAX, seconds_max=seconds)
    return True


def _keep(order: Order, table: IO[bytes]) -> str:
    """Put the table into our storage, under a key that is the same however often this is done."""
    key = f"results/{order.job.team_id}/{order.job.id}.csv"
    table.seek(0)
    storage.make(key, iter(lambda: table.read(storage.CHUNK_BYTES), b""))
    return key


def record_table(claimed: Claim, key: str | None, table: IO[bytes]) -> None:
    """Write where the table is, and the steps of it that no event told; then there is nothing left to do."""
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        job = work.recording(session, Job, claimed)
        if key is not None:
            rows = list(_untold(session, job, table))
            if rows:
                session.execute(insert(JobMetric).on_conflict_do_nothing(), rows)
            log.info("job.collected", steps=len(rows))
        job.results_key = key
        job.collected_at = clock.now()
        work.finish(job)


def _untold(session: Session, job: Job, table: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Rows of the steps that the table has and the job has not; of a long table every n-th.

    A table tells no times: a step was measured at the latest when the next one was told.
    """
    told = queries.metrics(session, job)
    known = {metric.step: metric.at for metric in told}
    told_at: list[tuple[int, datetime]] = sorted(known.items())
    total = max((metric.total_steps or 0 for metric in told), default=0)
    table.seek(0)
    stride = -(-sum(1 for _ in table) // STEPS_MAX)
    table.seek(0)
    text = io.TextIOWrapper(table, encoding="utf-8-sig", errors="replace", newline="")
    try:
        for measured in measures.of_table(text):
            if measured.step in known or measured.step % stride:
                continue
            following = bisect_left(told_at, (measured.step,))
            at = told_at[following][1] if following < len(told_at) else job.finished_at or clock.now()
            yield {
                "team_id": job.team_id, "job_id": job.id, "step": measured.step, "at": at,
                "total_steps": measured.total_steps or total or None, "others": measured.others, **measured.values,
            }  # fmt: skip
    finally:
        text.detach()  # the file is the caller's to close


def _later(claimed: Claim, trouble: ProviderError | Unavailable) -> None:
    """Try again, or after enough tries give up."""
    log.warning("job.collect_failed", reason=str(trouble))
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        at = clock.now()
        is_patient = at - (job.finished_at or at) < _PATIENCE
        if is_patient and isinstance(trouble, Paused | RateLimited | AccountRefused):
            work.back_off(job, seconds=pause_after(trouble), blameless=True)
        elif claimed.attempts < _tries():
            work.back_off(job)
        else:
            progress.say(session, job, at, "message", f"What came out could not be fetched, or not all: {trouble}.")
            job.collected_at = at
            work.finish(job)


def _tries() -> int:
    """Below what the engine takes for poison: a job that has ended never asks for a person."""
    return min(TRIES_MAX, settings().attempts_max - 1)
