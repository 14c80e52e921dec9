"""/v1/models/{name}/aliases: what an alias serves, its moves, and what it served when."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service import registry, tenants
from service.api.deps import May
from service.api.errors import problems
from service.api.models import Name
from service.api.once import IdempotencyKey
from service.api.quota import TeamNotNamed
from service.kit import clock, idempotency
from service.kit.bodies import Instant
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page
from service.registry import AliasView, Move

router = APIRouter(tags=["models"])

AliasName = Annotated[str, Path(description="Any name you like for a place of use.", examples=["production"])]
MayRead = Annotated[Actor, May("models:read")]
MayMove = Annotated[Actor, May("models:write")]
OfTeam = Annotated[str | None, Query(description="Slug or id of a team; for operators. A team's key sees its own.")]
IfMatch = Annotated[
    str | None, Header(description="The `ETag` you were given: moved meanwhile, it is 412 and nothing happens.")
]
_PLACE: Final = "/v1/models/{name}/aliases/{alias}"
_MOVED: Final = problems(401, 403, 404, 409, 412, 422, 503)


def within(actor: Actor, team: str | None) -> Actor:
    """The caller in their own team, or an operator in the one they name."""
    if actor.team_id is not None:
        if team is not None:
            with read_only(actor) as session:
                tenants.find_team(session, team, within=actor.team_id)
        return actor
    if team is None:
        raise TeamNotNamed(role=actor.role, pointer="team")
    with read_only(actor) as session:
        return actor.within(tenants.find_team(session, team).id)


def _expected(condition: str | None) -> int | None:
    """The revision `If-Match` names; 0, which none has, where it names nothing of ours (RFC 9110, 13.1.1)."""
    if condition is None or condition.strip() == "*":
        return None
    number = condition.strip().strip('"')
    return int(number) if condition.strip() == f'"{number}"' and number.isascii() and number.isdecimal() else 0


def _tag(response: Response, view: AliasView) -> AliasView:
    response.headers["ETag"] = f'"{view.revision}"'
    return view


def _once(actor: Actor, key: str | None, path: str, body: BaseModel, do: Callable[[Session], AliasView]) -> Response:
    with unit_of_work(actor) as session:
        request = {"method": "POST", "path": path, "body": body.model_dump(mode="json", exclude_unset=True)}
        outcome = idempotency.once(session, actor.team, key, request, lambda: do(session).model_dump(mode="json"))
    headers = {"ETag": f'"{outcome.answer["revision"]}"'}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(outcome.answer, headers=headers)


@router.get(_PLACE, summary="Get an alias", responses=problems(401, 403, 404, 422, 503))
def get_alias(name: Name, alias: AliasName, actor: MayRead, response: Response, team: OfTeam = None) -> AliasView:
    """What it serves now, from the database; `ETag` is its revision, for `If-Match`."""
    acting = within(actor, team)
    with read_only(acting) as session:
        return _tag(response, registry.find_alias(session, acting.team, name, alias))


@router.put(_PLACE, summary="Promote a version", responses=_MOVED)
def promote_version(
    name: Name, alias: AliasName, body: registry.Promotion, actor: MayMove, response: Response, *,
    team: OfTeam = None, if_match: IfMatch = None,
) -> AliasView:  # fmt: skip
    """Let an alias serve this version, or several by shares, from now on. Repeating it changes nothing.

    Shares are kept and told, but resolving does not split by `key` yet: everybody gets the version with the largest.
    A protected alias takes a reason, a key of its role and, where it says so, a version that passed its evaluation.
    """
    acting = within(actor, team)
    move = Move(acting, clock.now(), body.reason, _expected(if_match), body.evidence)
    with unit_of_work(acting) as session:
        return _tag(response, registry.split(session, move, name, alias, body.shares))


@router.post(f"{_PLACE}/rollback", response_model=AliasView, summary="Roll back", responses=_MOVED)
def roll_back(
    name: Name, alias: AliasName, body: registry.RollBack, actor: MayMove, *,
    team: OfTeam = None, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Back to what last had all of the traffic before, or to a version you name. During a split that ends it."""
    acting = within(actor, team)
    move = Move(acting, clock.now(), body.reason, _expected(if_match), body.evidence)
    path = f"/v1/models/{name}/aliases/{alias}/rollback"

    def do(session: Session) -> AliasView:
        return registry.roll_back(session, move, name, alias, version=body.version)

    return _once(acting, idempotency_key, path, body, do)


@router.post(f"{_PLACE}/stop", response_model=AliasView, summary="Stop a canary", responses=_MOVED)
def stop_canary(
    name: Name, alias: AliasName, body: registry.Stop, actor: MayMove, *,
    team: OfTeam = None, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """End a split at once: what had all of the traffic before has it again. Without a split nothing happens."""
    acting = within(actor, team)
    move = Move(acting, clock.now(), body.reason, _expected(if_match))
    path = f"/v1/models/{name}/aliases/{alias}/stop"
    return _once(acting, idempotency_key, path, body, lambda session: registry.stop(session, move, name, alias))


@router.put(f"{_PLACE}/protection", summary="Protect an alias", responses=_MOVED)
def protect_alias(
    name: Name, alias: AliasName, body: registry.Protection, actor: MayMove, response: Response, *,
    team: OfTeam = None, if_match: IfMatch = None,
) -> AliasView:  # fmt: skip
    """Who may move it from now on, what a version needs, and what happens when what it serves stops answering.

    It replaces all of it. Nobody may ask for a role beyond their own key's.
    """
    acting = within(actor, team)
    move = Move(acting, clock.now(), body.reason, _expected(if_match))
    with unit_of_work(acting) as session:
        return _tag(response, registry.protect(session, move, name, alias, body))


@router.delete(_PLACE, status_code=204, summary="Remove an alias", responses=_MOVED)
def remove_alias(
    name: Name, alias: AliasName, actor: MayMove, *,
    reason: Annotated[str | None, Query(max_length=500, description="For those who look at the history.")] = None,
    team: OfTeam = None, if_match: IfMatch = None,
) -> None:  # fmt: skip
    """Let it mean nothing any more. Its history stays, and promoting to it makes it anew."""
    acting = within(actor, team)
    with unit_of_work(acting) as session:
        registry.remove(session, Move(acting, clock.now(), reason, _expected(if_match)), name, alias)


@router.get(f"{_PLACE}/history", summary="Read an alias' history", responses=problems(401, 403, 404, 422, 503))
def read_history(
    name: Name, alias: AliasName, actor: MayRead, *,
    at: Annotated[Instant | None, Query(description="Only the move that served at this instant.")] = None,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
    team: OfTeam = None,
) -> Page[registry.MoveView]:  # fmt: skip
    """Every move, the latest first: what it served from then on, who moved it, why, and on what evidence.

    With `at`, what it served then: one move; 404 where it did not serve anything yet.
    """
    acting = within(actor, team)
    instant: datetime | None = at and at.astimezone(UTC)
    with read_only(acting) as session:
        return registry.moves(session, acting.team, name, alias, at=instant, after=after, limit=limit)
