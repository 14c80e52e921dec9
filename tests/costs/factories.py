"""Charges with defaults that make sense, and the ledger as it is."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from service import catalog, costs
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.quotas.factories import AT, MODEL, hold
from tests.tenants.factories import acting_for


def a_price(model: str = MODEL) -> catalog.PriceFacts:
    with read_only(CLI) as session:
        return catalog.price(session, "openai", model, "training_tokens", AT)


def charge(team: TeamFacts, job_id: UUID, tokens: int, **facts: Any) -> Decimal:
    """Book the end of a job, by default of a provider job nobody else has."""
    with unit_of_work(acting_for(team)) as session:
        return charge_in(session, team, job_id, tokens, **facts)


def charge_in(session: Session, team: TeamFacts, job_id: UUID, tokens: int, **facts: Any) -> Decimal:
    """The same in the caller's transaction."""
    told: dict[str, Any] = {
        "connection_id": None,
        "provider": "openai",
        "provider_job_id": f"ftjob-{uuid4().hex}",
        "base_model": MODEL,
        "model": f"ft:{MODEL}:acme::{uuid4().hex[:8]}",
        "price": a_price(),
        "at": AT,
    }
    return costs.charge_training(session, team, job_id=job_id, quantity=tokens, **told | facts)


def spend(team: TeamFacts, tokens: int, *, held: str = "10", at: datetime = AT, **facts: Any) -> Decimal:
    """A whole job: what is held for it, then the charge."""
    return charge(team, hold(team, held, at=at), tokens, at=at, **facts)


def ledger(team: TeamFacts) -> list[dict[str, Any]]:
    """The team's entries, oldest first."""
    with read_only(CLI) as session:
        rows = session.execute(text("SELECT * FROM ledger_entries WHERE team_id = :id ORDER BY id"), {"id": team.id})
        return [dict(row) for row in rows.mappings()]
