"""Money that is held for a job that has ended, or that nobody knows, is settled or given back.

Every way a job ends does that itself, in the same transaction. What this finds is a mistake of ours, or of somebody's
hand in the tables; it is told in the log and in the audit, and costs the team nothing for longer than one tick.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import select

from service import audit, costs, quotas
from service.jobs import progress, rules
from service.jobs.models import Job
from service.kit import clock, ids, logs, money
from service.kit.db import read_only, unit_of_work
from service.kit.identity import SYSTEM, worker_for

log = logs.get(__name__)

_PAGE: Final = 500


def sweep_reservations() -> None:
    """Look at everything that is held, page by page."""
    after: quotas.HeldJob | None = None
    while True:
        with read_only(SYSTEM) as session:
            held = quotas.held_jobs(session, after=after, limit=_PAGE)
            states = select(Job.id, Job.state).where(Job.id.in_([one.job_id for one in held]))
            known = {row.id: row.state for row in session.execute(states)}
        for one in held:
            if known.get(one.job_id) in {None, *rules.TERMINAL}:
                _end(one.team_id, one.job_id)
        if len(held) < _PAGE:
            return
        after = held[-1]


def _end(team_id: UUID, job_id: UUID) -> None:
    """Charge what the job is known to have been trained on, if anything, and give the rest back."""
    worker = worker_for(team_id)
    with unit_of_work(worker) as session:
        job = session.scalar(select(Job).where(Job.team_id == team_id, Job.id == job_id).with_for_update())
        amount = quotas.held_for(session, team_id, job_id)
        if amount is None or (job is not None and job.state not in rules.TERMINAL):
            return  # somebody was faster
        if job is not None and job.provider_job_id is not None:
            progress.charge(session, job, job.trained_seconds or job.trained_tokens or 0, clock.now(), accrued=True)
        costs.release(session, team_id, job_id)
        state = "unknown" if job is None else str(job.state)
        log.error("reservation.swept", team_id=str(team_id), job_id=str(job_id), held=str(amount), job_state=state)
        audit.record(
            session, worker, "reservation.swept", object_type="job", object_id=ids.show("job", job_id),
            team_id=team_id, before={"held": money.text(amount), "job": state},
        )  # fmt: skip
