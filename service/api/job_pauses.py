"""Pausing jobs and letting them go on."""

from fastapi import APIRouter

from service import jobs
from service.api.errors import problems
from service.api.jobs import JobRef, MayWrite
from service.kit import clock
from service.kit.db import unit_of_work

router = APIRouter(tags=["jobs"])


@router.post("/v1/jobs/{job}/pause", status_code=202, summary="Pause a job", responses=problems(401, 403, 404, 409))
def pause_job(job: JobRef, actor: MayWrite) -> jobs.JobView:
    """Have training stand still at the provider, which keeps a snapshot; not every provider and method can.

    The state becomes `paused` when the provider says so; where it refuses, an event tells why. Repeating it changes
    nothing. `409 job_not_at_provider` before the provider has it, `409 job_is_over` after its end.
    """
    with unit_of_work(actor) as session:
        return jobs.JobView.of(jobs.pause(session, actor, job, clock.now()))


@router.post("/v1/jobs/{job}/resume", status_code=202, summary="Resume a job", responses=problems(401, 403, 404, 409))
def resume_job(job: JobRef, actor: MayWrite) -> jobs.JobView:
    """Have a paused job go on from its snapshot; it queues at the provider again. Refusals as for pausing."""
    with unit_of_work(actor) as session:
        return jobs.JobView.of(jobs.resume(session, actor, job, clock.now()))
