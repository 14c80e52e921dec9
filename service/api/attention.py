"""What waits for an operator: rows no worker can bring further, and jobs the janitor met at a provider."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from service import audit, datasets, jobs, registry
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock, ids, oversight
from service.kit.bodies import Body
from service.kit.db import read_only, unit_of_work
from service.kit.identity import WORKER, Actor, DbRole
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX

router = APIRouter(tags=["operations"])

_KINDS: Final = {"job": jobs.FOLLOW, "dset": datasets.VALIDATE, "prep": datasets.PREPARE, "mver": registry.PROBE}
"""Prefix of the shown id → any kind of work on the table that such a row is in."""

Ref = Annotated[
    str, Path(description="Id of the job, dataset or version.", examples=["job_01m7w6kt9eepp87nc93bk07v4n"])
]
MayRead = Annotated[Actor, May("attention:read")]
MayWrite = Annotated[Actor, May("attention:write")]


class AttentionItem(BaseModel):
    """A row that no worker takes any more before somebody has looked at it."""

    object: Literal["attention"] = "attention"
    id: str
    team: str = Field(description="Id of the team whose it is.")
    state: str
    reason: str
    since: datetime


class AttentionList(BaseModel):
    """Whatever waits longest first."""

    object: Literal["list"] = "list"
    data: list[AttentionItem]
    has_more: bool


class GiveUp(Body):
    """How a job is to be ended that cannot be brought to its end."""

    reason: str = Field(min_length=1, max_length=500, description="Told to the team.")
    trained_tokens: int = Field(0, ge=0, description="What the provider is known to bill for; charged to the team.")


class Stray(BaseModel):
    """A job at the provider that was not where it should be."""

    object: Literal["stray_job"] = "stray_job"
    provider_job_id: str
    connection: str
    kind: str = Field(
        description="`adopted`: it was one of ours, not recorded. `duplicate`: a second one for a job of ours, "
        "cancelled. `unknown`: it carries our kind of key, but no job of ours has it."
    )  # fmt: skip
    job: str | None
    found_at: datetime
    settled_at: datetime | None = Field(description="When nothing more was to be done; null: not yet.")


class StrayList(BaseModel):
    """Newest first."""

    object: Literal["list"] = "list"
    data: list[Stray]


@router.get("/v1/attention", summary="List what waits for a person", responses=problems(401, 403, 422))
def list_attention(
    actor: MayRead, limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items.")] = LIMIT_DEFAULT
) -> AttentionList:
    """Jobs, datasets and versions that workers have given up on, of all teams. Settle some and ask again for more."""
    _ = actor
    with read_only(WORKER) as session:
        found = [
            _shown(prefix, row)
            for prefix, kind in _KINDS.items()
            for row in oversight.asking(session, kind, limit=limit + 1)
        ]
    found.sort(key=lambda one: one.since)
    return AttentionList(data=found[:limit], has_more=len(found) > limit)


@router.post("/v1/attention/{id}/retry", summary="Let workers try again", responses=problems(401, 403, 404))
def retry_attention(id: Ref, actor: MayWrite) -> AttentionItem:  # noqa: A002 - the path's own word
    """Hand the row back to the workers with its attempts forgotten, after what stood in the way has been mended.

    404 `nothing_waits` where it does not ask for attention.
    """
    prefix = id.partition("_")[0]
    kind = _KINDS.get(prefix)
    if kind is None:
        raise oversight.NothingWaits(id=id)
    with unit_of_work(WORKER) as session:
        row = oversight.try_again(session, kind, ids.read(prefix, id))
        if row is None:
            raise oversight.NothingWaits(id=id)
    with unit_of_work(actor) as session:
        audit.record(
            session, actor, "attention.retried", object_type=prefix, object_id=id, team_id=row.team_id,
            before={"attention": row.attention},
        )  # fmt: skip
    return _shown(prefix, row)


@router.post(
    "/v1/attention/{id}/give-up", summary="End a job that cannot go on", responses=problems(401, 403, 404, 409)
)
def give_up_attention(id: Ref, body: GiveUp, actor: MayWrite) -> jobs.JobView:  # noqa: A002 - the path's own word
    """End a job as `failed`, charge what it is known to have trained and give the rest of its money back."""
    with read_only(WORKER) as session:
        team = oversight.team_of(session, jobs.FOLLOW, ids.read("job", id))
    if team is None:
        raise jobs.UnknownJob(job=id)
    as_team = replace(actor, db_role=DbRole.TEAM, team_id=team)
    with unit_of_work(as_team) as session:
        ended = jobs.give_up(
            session, as_team, id, trained_tokens=body.trained_tokens, reason=body.reason, at=clock.now()
        )
        return jobs.JobView.of(ended)


@router.get("/v1/strays", summary="List stray jobs", responses=problems(401, 403, 422))
def list_strays(
    actor: MayRead, limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items.")] = LIMIT_DEFAULT
) -> StrayList:
    """What the janitor met at the providers: adopted, cancelled as one too many, or not known at all."""
    with read_only(actor) as session:
        return StrayList(data=[_stray(one) for one in jobs.strays(session, limit=limit)])


@router.post("/v1/strays/{provider_job_id}/dismiss", summary="Dismiss a stray job", responses=problems(401, 403, 404))
def dismiss_stray(
    provider_job_id: Annotated[str, Path(description="The provider's id of the job.", examples=["ftjob-abc123"])],
    actor: MayWrite,
) -> Stray:
    """Say that nothing more is to be done about it. Nothing happens at the provider."""
    with unit_of_work(actor) as session:
        return _stray(jobs.dismiss_stray(session, actor, provider_job_id, clock.now()))


def _shown(prefix: str, row: Any) -> AttentionItem:
    return AttentionItem(
        id=ids.show(prefix, row.id),
        team=ids.show("team", row.team_id),
        state=row.state,
        reason=row.attention,
        since=row.attention_since,
    )


def _stray(row: jobs.StrayJob) -> Stray:
    return Stray(
        provider_job_id=row.provider_job_id,
        connection=ids.show("conn", row.connection_id),
        kind=row.kind,
        job=ids.show("job", row.job_id) if row.job_id else None,
        found_at=row.found_at,
        settled_at=row.settled_at,
    )
