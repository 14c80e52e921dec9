"""/v1/models/{name}/aliases/{alias}/schedules: moves to come."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from service import registry
from service.api.errors import problems
from service.api.model_moves import AliasName, MayMove, MayRead, OfTeam, within
from service.api.models import Name
from service.api.once import IdempotencyKey
from service.kit import clock, idempotency
from service.kit.db import read_only, unit_of_work
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page
from service.registry import Move, ScheduleView

router = APIRouter(tags=["models"])

_PLACE: Final = "/v1/models/{name}/aliases/{alias}/schedules"


@router.post(
    _PLACE, status_code=201, response_model=ScheduleView, summary="Schedule a move",
    responses=problems(401, 403, 404, 409, 422, 503),
)  # fmt: skip
def schedule_move(
    name: Name, alias: AliasName, body: registry.ScheduleAsk, actor: MayMove, *,
    team: OfTeam = None, idempotency_key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Have the alias serve this from `starts_at` on; several make a canary's ramp.

    It is made in your key's name, under the rules that hold then. Refused, it is `failed` and told as
    `model.move_failed`. `evidence` is not kept: the move's evidence is the schedule.
    """
    acting = within(actor, team)
    move = Move(acting, clock.now(), body.reason)
    with unit_of_work(acting) as session:

        def answer() -> dict[str, Any]:
            view = registry.schedule(session, move, name, alias, body.shares, starts_at=body.starts_at)
            return view.model_dump(mode="json")

        path = f"/v1/models/{name}/aliases/{alias}/schedules"
        request = {"method": "POST", "path": path, "body": body.model_dump(mode="json", exclude_unset=True)}
        outcome = idempotency.once(session, acting.team, idempotency_key, request, answer)
    return JSONResponse(
        outcome.answer, status_code=201, headers={"Idempotent-Replayed": "true"} if outcome.replayed else None
    )


@router.get(_PLACE, summary="List scheduled moves", responses=problems(401, 403, 404, 422, 503))
def list_schedules(
    name: Name, alias: AliasName, actor: MayRead, *,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
    team: OfTeam = None,
) -> Page[ScheduleView]:  # fmt: skip
    """The newest first, whatever became of them."""
    acting = within(actor, team)
    older_than = read("sched", after) if after else None
    with read_only(acting) as session:
        return registry.schedules(session, acting.team, name, alias, after=older_than, limit=limit)


@router.delete(
    f"{_PLACE}/{{schedule}}", summary="Call a scheduled move off", responses=problems(401, 403, 404, 409, 422, 503)
)
def call_off_move(
    name: Name, alias: AliasName, actor: MayMove, *,
    schedule: Annotated[str, Path(description="Its id.", examples=["sched_01m7w74m4ve4esgepz92mvfgnz"])],
    reason: Annotated[str | None, Query(max_length=500, description="For those who look at the audit.")] = None,
    team: OfTeam = None,
) -> ScheduleView:  # fmt: skip
    """It will not be made. 409 once it has been made or has failed."""
    acting = within(actor, team)
    with unit_of_work(acting) as session:
        return registry.call_off(session, Move(acting, clock.now(), reason), name, alias, read("sched", schedule))
