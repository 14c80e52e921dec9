"""What came out of a job: its curves, checkpoints, the provider's table, and advice."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from service import jobs
from service.api import streams, tables
from service.api.errors import problems
from service.api.jobs import JobRef, MayRead
from service.kit.db import read_only

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/jobs/{job}/metrics",
    summary="Read a job's curves",
    response_model=jobs.JobMetrics,
    responses=tables.either("The curves, as JSON or CSV.") | problems(401, 403, 404, 422),
    dependencies=[Depends(streams.glimpsed)],
)
def list_job_metrics(
    response: Response,
    job: JobRef,
    actor: MayRead,
    *,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1, description="Only steps beyond this one.")] = -1,
    form: tables.Form = None,
    accept: tables.Accept = "",
) -> jobs.JobMetrics | Response:
    """Losses, accuracies and rewards by step, as the provider measured them.

    Providers tell only some steps while a job runs; those of its table of results are added soon after the end, up to
    5,000. As CSV it has a column for each measure, so that pandas reads it in one line.
    """
    with read_only(actor) as session:
        rows = jobs.metrics(session, jobs.get(session, actor.team, job), after=after)
        if tables.wants_csv(form, accept):
            return tables.csv_file(jobs.metrics_as_csv(job, rows), f"{job}-metrics.csv")
        response.headers["Vary"] = "Accept"
        return jobs.JobMetrics(data=[jobs.JobMetricView.of(row) for row in rows])


@router.get("/v1/jobs/{job}/checkpoints", summary="List a job's checkpoints", responses=problems(401, 403, 404))
def list_job_checkpoints(job: JobRef, actor: MayRead) -> jobs.Checkpoints:
    """The models training left on its way, by step; they are fetched soon after the end (`collected_at` of the job).

    Each can be made a version: `POST /v1/models/{name}/versions`.
    """
    with read_only(actor) as session:
        rows = jobs.checkpoints(session, jobs.get(session, actor.team, job))
        return jobs.Checkpoints(data=[jobs.CheckpointView.of(row) for row in rows])


@router.get(
    "/v1/jobs/{job}/results",
    summary="Download the provider's table of results",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The table, as CSV.", "content": {tables.CSV: {"schema": {"type": "string"}}}},
        **problems(401, 403, 404),
    },
)
def download_job_results(job: JobRef, actor: MayRead) -> Response:
    """Every step as the provider wrote it down, decoded. Its columns are the provider's; `/metrics` has ours.

    `404 results_not_ready` until it was fetched, soon after the end; `404 no_results` where there is none.
    """
    with read_only(actor) as session:
        found = jobs.get(session, actor.team, job)
    size, content = jobs.read_results(found)
    headers = {**tables.as_file(f"{job}-results.csv"), "Content-Length": str(size)}
    return StreamingResponse(content, media_type=tables.CSV, headers=headers)


@router.get("/v1/jobs/{job}/advice", summary="Read what a job's curves advise", responses=problems(401, 403, 404))
def list_job_advice(job: JobRef, actor: MayRead) -> jobs.JobAdvice:
    """Overfitting, underfitting, plateau, divergence, too few examples and more, each with the numbers it rests on.

    Nothing where nothing stands out. The thresholds are ours: docs/results.md says what they are.
    """
    with read_only(actor) as session:
        found = jobs.advise(session, jobs.get(session, actor.team, job))
        return jobs.JobAdvice(data=[jobs.AdviceView.of(one) for one in found])
