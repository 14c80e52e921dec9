"""Corrections of the ledger, booked by finance."""

import hashlib
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from sqlalchemy.orm import Session

from service import catalog, costs, tenants
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock, idempotency, ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor

router = APIRouter(tags=["costs"])

IdempotencyKey = Annotated[
    str | None, Header(description="Any text of yours: the same request with it is booked once, for ever.")
]


@router.post(
    "/v1/costs/adjustments",
    status_code=201,
    summary="Adjust costs",
    responses=problems(401, 403, 404, 409, 422),
)
def adjust_costs(
    body: costs.AdjustmentRequest,
    actor: Annotated[Actor, May("costs:adjust")],
    idempotency_key: IdempotencyKey = None,
) -> costs.AdjustmentView:
    """Book an amount up or down as an entry of its own; no entry is ever changed.

    It counts on the day of the charge, or today where that month is closed, and in the budget that paid for what it
    corrects, or the team's present one. Send an `Idempotency-Key`: without one, two requests are two entries.
    """
    corrects = ids.read("entry", body.corrects) if body.corrects else None
    with read_only(actor) as session:
        team = _team(session, body, corrects)
        if body.provider is not None:
            catalog.check_provider(session, body.provider, pointer="#/provider")
    wanted = costs.Adjustment(
        amount=Decimal(body.amount),
        reason=body.reason,
        ext_ref=_ext_ref(idempotency_key),
        corrects=corrects,
        provider=body.provider or "",
        charged_at=body.charged_at,
        base_model=body.base_model,
        model=body.model,
    )
    booker = actor.within(team.id) if team else actor.for_nobody()
    try:
        with unit_of_work(booker) as session:
            return costs.adjust(session, booker, team, wanted, at=clock.now())
    except costs.AlreadyBooked as error:
        raise idempotency.KeyReused(pointer="Idempotency-Key") from error


def _team(session: Session, body: costs.AdjustmentRequest, corrects: UUID | None) -> tenants.TeamFacts | None:
    if corrects is None:
        return tenants.find_team(session, body.team) if body.team else None
    owner = costs.owner_of(session, corrects)
    return tenants.team(session, owner) if owner else None


def _ext_ref(key: str | None) -> str:
    """One name for whatever comes with the same key, whoever sends it: two people's keys that meet are refused."""
    if key is None:
        return f"adjustment:{ids.new_id()}"
    return f"adjustment:{hashlib.sha256(idempotency.checked(key).encode()).hexdigest()}"
