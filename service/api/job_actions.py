"""What is asked of a job that is there: end it, bring it once more, send it elsewhere."""

from typing import Annotated

from fastapi import APIRouter, Response

from service import jobs
from service.api.deps import May, MayAsTeam
from service.api.errors import problems
from service.api.jobs import JobRef
from service.api.once import IdempotencyKey, take_on
from service.kit import clock, ids, oversight
from service.kit.db import read_only, unit_of_work
from service.kit.identity import WORKER, Actor

router = APIRouter(tags=["jobs"])

MayWrite = Annotated[Actor, MayAsTeam("jobs:write")]
MayMove = Annotated[Actor, May("jobs:move")]


@router.post(
    "/v1/jobs/{job}/retry",
    status_code=202,
    summary="Retry a job",
    response_model=jobs.JobView,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def retry_job(job: JobRef, actor: MayWrite, idempotency_key: IdempotencyKey = None) -> Response:
    """Submit the same request again, at today's price, as a new job that names this one.

    Only for a job that failed or was cancelled: `409 job_not_over` before, `409 job_has_succeeded` after a success.
    """
    path = f"/v1/jobs/{job}/retry"
    return take_on(actor, idempotency_key, path, None, lambda session: jobs.retry(session, actor, job, clock.now()))


@router.post(
    "/v1/jobs/{job}/clone",
    status_code=202,
    summary="Clone a job",
    response_model=jobs.JobView,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def clone_job(
    job: JobRef, actor: MayWrite, body: jobs.CloneRequest | None = None, idempotency_key: IdempotencyKey = None
) -> Response:
    """Submit the same request again with changes, as a new job that names this one, whatever became of it.

    A field in the body replaces the old one's whole. With other data `validation_dataset` is not taken over.
    """
    changes = body or jobs.CloneRequest()
    path = f"/v1/jobs/{job}/clone"
    return take_on(
        actor, idempotency_key, path, changes, lambda session: jobs.clone(session, actor, job, changes, clock.now())
    )


@router.post(
    "/v1/jobs/{job}/move",
    status_code=202,
    summary="Move a job to another connection",
    responses=problems(401, 403, 404, 409, 422),
)
def move_job(job: JobRef, body: jobs.MoveRequest, actor: MayMove) -> jobs.JobView:
    """Let a job that is not at its provider yet go to another account, where it waits for its turn anew.

    A team's admin may name the team's connection or the default, an operator any. `409 job_not_movable` once the
    provider may have it. At another provider that one's price of now is held instead.
    """
    mover = in_its_team(actor, job)
    with unit_of_work(mover) as session:
        return jobs.JobView.of(jobs.move(session, mover, job, body.connection, clock.now()))


def in_its_team(actor: Actor, job: str) -> Actor:
    """A team's key acts in its own team, an operator's in the job's. Raises UnknownJob."""
    if actor.team_id is not None:
        return actor
    with read_only(WORKER) as session:
        team = oversight.team_of(session, jobs.FOLLOW, ids.read("job", job))
    if team is None:
        raise jobs.UnknownJob(job=job)
    return actor.within(team)
