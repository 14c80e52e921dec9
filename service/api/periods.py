"""Billing periods: finance closes a month, and opens it again with a reason."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service import costs
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.ids import UnknownId
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page
from service.kit.settings import settings

router = APIRouter(tags=["costs"])

PeriodRef = Annotated[str, Path(description="A calendar month in UTC, as YYYY-MM.", examples=["2026-10"])]
MayRead = Annotated[Actor, May("costs:read")]
MayWrite = Annotated[Actor, May("periods:write")]


@router.get("/v1/billing-periods", summary="List billing periods", responses=problems(401, 403, 404, 422))
def list_billing_periods(
    actor: MayRead,
    after: Annotated[str | None, Query(description="`last_id` of the page before, a month.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
) -> Page[costs.PeriodView]:
    """Months from the present back to the first that has entries. What they held is told where they are closed."""
    since = _cursor(after) if after is not None else None
    with read_only(actor) as session:
        return costs.list_periods(session, after=since, limit=limit, at=clock.now(), team_id=actor.team_id)


@router.get("/v1/billing-periods/{period}", summary="Read a billing period", responses=problems(401, 403, 422))
def get_billing_period(period: PeriodRef, actor: MayRead) -> costs.PeriodView:
    """What the month holds, whether it is closed, and what is not finished. A team's key sees its state only."""
    with read_only(actor) as session:
        return costs.show_period(session, costs.period(period), team_id=actor.team_id)


@router.post(
    "/v1/billing-periods/{period}/close", summary="Close a billing period", responses=problems(401, 403, 409, 422)
)
def close_billing_period(period: PeriodRef, actor: MayWrite) -> costs.PeriodView:
    """Let nothing more count in a month that is over (UTC), and seal what it holds with a chain of hashes.

    Earlier months with entries are closed first. What is charged in it later counts on the day it is booked. See
    `warnings` before: they do not stop the closing. Repeating it changes nothing.
    """
    month = costs.period(period)
    with unit_of_work(actor) as session:
        costs.close_period(session, actor, month, at=clock.now())
    with unit_of_work(actor, seconds=settings().worker_unit_seconds) as session:
        costs.seal_closed(session, actor, at=clock.now())
    with read_only(actor) as session:
        return costs.show_period(session, month, team_id=None)


@router.post(
    "/v1/billing-periods/{period}/reopen", summary="Reopen a billing period", responses=problems(401, 403, 409, 422)
)
def reopen_billing_period(period: PeriodRef, body: costs.Reopen, actor: MayWrite) -> costs.PeriodView:
    """Let entries count again in the latest closed month. Its seal is kept; closing it again makes the next one.

    Repeating it with the same reason changes nothing.
    """
    month = costs.period(period)
    with unit_of_work(actor) as session:
        costs.reopen_period(session, actor, month, body.reason, at=clock.now())
        return costs.show_period(session, month, team_id=None)


@router.get(
    "/v1/billing-periods/{period}/verify",
    summary="Verify a billing period",
    responses=problems(401, 403, 409, 422),
)
def verify_billing_period(period: PeriodRef, actor: MayWrite) -> costs.Verdict:
    """Recompute the chain of a closed month from its entries, and name the first that is not what it was."""
    with read_only(actor, seconds=settings().worker_unit_seconds) as session:
        return costs.verify_period(session, costs.period(period))


def _cursor(after: str) -> costs.Period:
    try:
        return costs.period(after)
    except costs.BadPeriod as error:
        raise UnknownId(what="billing period", id=after) from error
