"""What providers bill against the ledger, for finance and operators."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service import connections, costs, tenants
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.errors import Invalid, NotFound
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX

router = APIRouter(tags=["costs"])

ReconciliationRef = Annotated[
    str, Path(description="Id of the day's reconciliation.", examples=["recon_01k8z0q3v6fq0r2m9t6c4x5y7z"])
]
MayRead = Annotated[Actor, May("reconciliation:read")]


@router.get("/v1/reconciliation", summary="List reconciled days", responses=problems(401, 403, 404, 422))
def list_reconciliations(
    actor: MayRead,
    *,
    period: Annotated[
        str | None, Query(description="A month as YYYY-MM; without it the present one.", examples=["2026-11"])
    ] = None,
    connection: Annotated[str | None, Query(description="Id or name of an account.")] = None,
    state: Annotated[costs.DayState | None, Query(description="Only days in this state.")] = None,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
) -> costs.ReconciliationPage:
    """Each day of each account: what the provider bills, what the ledger has, and why they differ where they do.

    `accounts` tells how far each has been read, or why it cannot be: `no_admin_key` where nobody has set one.
    """
    with read_only(actor) as session:
        wanted = costs.DayFilter(
            costs.period(period or f"{clock.now():%Y-%m}"),
            connection_id=connections.account(session, connection).id if connection else None,
            state=state,
        )
        return costs.list_reconciliations(session, wanted, after=read("recon", after) if after else None, limit=limit)


@router.get("/v1/reconciliation/{reconciliation}", summary="Read a reconciled day", responses=problems(401, 403, 404))
def get_reconciliation(reconciliation: ReconciliationRef, actor: MayRead) -> costs.ReconciliationDetail:
    """The day with every difference, its cause and what was booked about it. What is left adds up to the residual."""
    with read_only(actor) as session:
        return costs.show_reconciliation(session, reconciliation)


@router.post(
    "/v1/reconciliation/{reconciliation}/adjust",
    summary="Book what is left of a day's differences",
    responses=problems(401, 403, 404, 409, 422),
)
def adjust_reconciliation(
    reconciliation: ReconciliationRef,
    body: costs.AdjustRequest,
    actor: Annotated[Actor, May("reconciliation:write")],
) -> costs.ReconciliationDetail:
    """Book one difference, or all that are no matter of time, as adjustments charged on that day; once each.

    What is about an entry is its team's; the rest is the team's that the body names, else unallocated. Asked again
    there is nothing left, and nothing is booked: no Idempotency-Key is needed.
    """
    operator = actor.for_nobody()
    with unit_of_work(operator) as session:
        named = tenants.find_team(session, body.team) if body.team else None
        claimed = costs.claim_settlements(session, reconciliation, body.finding)
        owners = [costs.owner_of(session, one.corrects) if one.corrects else None for one in claimed]
        payers = [tenants.team(session, owner) if owner else named for owner in owners]
    for one, payer in zip(claimed, payers, strict=True):
        booker = actor.within(payer.id) if payer else operator
        try:
            with unit_of_work(booker) as session:
                costs.book_settlement(session, booker, payer, one, reason=body.reason, at=clock.now())
        except (Invalid, NotFound):
            with unit_of_work(operator) as session:
                costs.record_settlement(session, one)
            raise
        with unit_of_work(operator) as session:
            costs.record_settlement(session, one)
    with read_only(actor) as session:
        return costs.show_reconciliation(session, reconciliation)
