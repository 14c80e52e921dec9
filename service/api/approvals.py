"""A second person's word on dear jobs: approve, decline."""

from typing import Annotated

from fastapi import APIRouter

from service import jobs
from service.api.deps import May
from service.api.errors import problems
from service.api.job_actions import in_its_team
from service.api.jobs import JobRef
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import Actor

router = APIRouter(tags=["jobs"])

MayApprove = Annotated[Actor, May("jobs:approve")]
_REFUSALS = problems(401, 403, 404, 409, 422)


@router.post("/v1/jobs/{job}/approve", status_code=202, summary="Approve a job", responses=_REFUSALS)
def approve_job(job: JobRef, actor: MayApprove) -> jobs.JobView:
    """Let a job that is `awaiting_approval` go on. Nothing of it has been given to the provider before.

    `403 own_request` for the key that submitted it. Repeating it changes nothing; what was decided otherwise, or
    expired, is a 409.
    """
    decider = in_its_team(actor, job)
    with unit_of_work(decider) as session:
        return jobs.JobView.of(jobs.approve(session, decider, job, clock.now()))


@router.post("/v1/jobs/{job}/decline", status_code=202, summary="Decline a job", responses=_REFUSALS)
def decline_job(job: JobRef, actor: MayApprove, body: jobs.Decline | None = None) -> jobs.JobView:
    """Cancel a job that is `awaiting_approval`; its money goes back to the budget.

    `403 own_request` for the key that submitted it, which may cancel it. Repeating it changes nothing; what was decided
    otherwise, or expired, is a 409.
    """
    decider = in_its_team(actor, job)
    with unit_of_work(decider) as session:
        return jobs.JobView.of(
            jobs.decline(session, decider, job, clock.now(), note=body.note if body is not None else None)
        )
