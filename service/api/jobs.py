"""Fine-tuning jobs: estimate, submit, watch, cancel."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from service import jobs
from service.api import streams
from service.api.deps import MayAsTeam
from service.api.errors import problems
from service.api.filters import METADATA_PARAMETER, metadata_filter
from service.api.once import IdempotencyKey, take_on
from service.kit import clock, pages
from service.kit.db import read_only, unit_of_work
from service.kit.identity import WORKER, Actor
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["jobs"])

JobRef = Annotated[str, Path(description="Id of the job.", examples=["job_01m7w6kt9eepp87nc93bk07v4n"])]
MayRead = Annotated[Actor, MayAsTeam("jobs:read")]
MayWrite = Annotated[Actor, MayAsTeam("jobs:write")]


@router.post(
    "/v1/jobs/estimate", summary="Price a job before it is submitted", responses=problems(401, 403, 404, 409, 422)
)
def estimate_job(body: jobs.JobRequest, actor: MayRead) -> jobs.Estimate:
    """What submitting the same body would reserve, and whether the budget has room. Reserves nothing."""
    with read_only(actor) as session:
        return jobs.estimate(session, actor, body, clock.now())


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Submit a fine-tuning job",
    response_model=jobs.JobView,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def create_job(body: jobs.JobRequest, actor: MayWrite, idempotency_key: IdempotencyKey = None) -> Response:
    """Reserve the job's price from the team's budget and take it on; workers bring it to the provider.

    `403 budget_exceeded` where there is no room, `403 max_cost_exceeded` where it may cost more than its own
    `budget.max_cost`, `429 jobs_per_day_reached` where there were enough today. A job dearer than the team's
    `approval_above` is `awaiting_approval` first; one whose data is still being checked is `waiting_for_dataset`, and
    its price is reserved when it leaves that. `warnings` says what deserves a word but does not stand in the way.
    Send an `Idempotency-Key`, so that a repeated request cannot become a second job.
    """
    return take_on(
        actor, idempotency_key, "/v1/jobs", body, lambda session: jobs.submit(session, actor, body, clock.now())
    )


@router.get(
    "/v1/jobs",
    summary="List jobs",
    responses=problems(401, 403, 404, 422),
    openapi_extra={"parameters": [METADATA_PARAMETER]},
)
def list_jobs(
    actor: MayRead,
    *,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
    state: Annotated[jobs.State | None, Query(description="Only jobs in this state.")] = None,
    model: Annotated[
        str | None, Query(pattern=r"^[\x20-\x7e]+$", description="Only jobs that train this base model.")
    ] = None,
    metadata: Annotated[dict[str, str] | None, Depends(metadata_filter)] = None,
) -> Page[jobs.JobView]:
    """The team's jobs, newest first. Several `metadata[key]=value` must all hold."""
    with read_only(actor) as session:
        rows, has_more = jobs.page(
            session, actor.team, after=after, limit=limit, state=state, model=model, metadata=metadata
        )
        return pages.page_of([jobs.JobView.of(row) for row in rows], has_more=has_more)


@router.get(
    "/v1/jobs/{job}",
    summary="Read a job",
    responses=problems(401, 403, 404, 422),
    dependencies=[Depends(streams.until_job_changes)],
)
def get_job(job: JobRef, actor: MayRead) -> jobs.JobView:
    """How the job stands, what it waits for, what it may cost, and once it ended what it did cost."""
    with read_only(actor) as session:
        found = jobs.get(session, actor.team, job)
    return jobs.JobView.of(found, _waiting(found))


def _waiting(job: jobs.Job) -> jobs.Waiting | None:
    """Its place among the jobs of all teams, which none of them may count itself."""
    if job.state not in jobs.SUBMIT.states:
        return None
    with read_only(WORKER) as session:
        return jobs.waiting(session, job, clock.now())


@router.get(
    "/v1/jobs/{job}/events",
    summary="Read a job's history",
    responses=problems(401, 403, 404, 422),
    dependencies=[Depends(streams.glimpsed)],
)
def list_job_events(
    job: JobRef,
    actor: MayRead,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`last_seq` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="Items a page.")] = 100,
) -> jobs.JobEventPage:
    """State changes and the provider's own events, oldest first and numbered without gaps."""
    with read_only(actor) as session:
        rows, has_more = jobs.events(session, jobs.get(session, actor.team, job), after=after, limit=limit)
        data = [jobs.JobEventView.of(row) for row in rows]
        return jobs.JobEventPage(data=data, has_more=has_more, last_seq=data[-1].seq if data else after)


@router.post("/v1/jobs/{job}/cancel", status_code=202, summary="Cancel a job", responses=problems(401, 403, 404, 409))
def cancel_job(job: JobRef, actor: MayWrite) -> jobs.JobView:
    """End the job. It is a race: the outcome is what the provider says, and the money stays held until then.

    Repeating it changes nothing; a job that ended otherwise is `409 job_is_over`.
    """
    with unit_of_work(actor) as session:
        return jobs.JobView.of(jobs.cancel(session, actor, job, clock.now()))
