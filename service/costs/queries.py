"""Reads of the ledger."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, String, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from service import quotas
from service.costs.models import LedgerEntry
from service.costs.rules import Period
from service.costs.schemas import CostReport, CostRow, CostTotal, ReportPeriod
from service.kit import ids, money


def report(session: Session, period: Period, group_by: tuple[str, ...], *, team_id: UUID | None) -> CostReport:
    """What was settled in the period and what is held for it now, by the keys given, sorted by them, null last.

    `team_id` narrows it to one team; None means every team the session's role may see. Use a `read_only` unit: then
    what is settled and what is held are of one moment.
    """
    moved = _moved(period, team_id).subquery()
    keys = [moved.c[key] for key in group_by]
    sums = [func.sum(moved.c[measure]) for measure in ("reserved", "settled", "quantity")]
    found = session.execute(select(*keys, *sums).group_by(*keys)).all()
    rows = sorted((_row(group_by, tuple(one)) for one in found), key=lambda row: _order(row, group_by))
    return CostReport(
        object="cost_report",
        period=ReportPeriod(start=period.start, end=period.end),
        group_by=list(group_by),
        currency=money.CURRENCY,
        rows=rows,
        total=CostTotal(
            reserved=sum((row.reserved for row in rows), money.ZERO),
            settled=sum((row.settled for row in rows), money.ZERO),
            quantity=sum(row.quantity for row in rows),
        ),
    )


def _moved(period: Period, team_id: UUID | None) -> CompoundSelect[*tuple[Any, ...]]:
    """Ledger entries and held reservations as one list of amounts. No model has come yet of what is held."""
    settled = select(
        LedgerEntry.team_slug.label("team"),
        LedgerEntry.base_model,
        LedgerEntry.model,
        LedgerEntry.job_id.label("job"),
        literal(money.ZERO, money.column()).label("reserved"),
        LedgerEntry.amount.label("settled"),
        case((LedgerEntry.meter == "training_tokens", LedgerEntry.quantity), else_=0).label(
            "quantity"
        ),  # only tokens add up to tokens
    ).where(LedgerEntry.posted_on >= period.start.date(), LedgerEntry.posted_on < period.end.date())
    if team_id is not None:
        settled = settled.where(LedgerEntry.team_id == team_id)
    held = quotas.held_in(period.month, team_id).subquery()
    reserved = select(
        held.c.team_slug,
        held.c.base_model,
        cast(null(), String),
        held.c.job_id,
        held.c.amount,
        literal(money.ZERO, money.column()),
        literal(0),
    )
    return union_all(settled, reserved)


def _row(group_by: tuple[str, ...], values: tuple[Any, ...]) -> CostRow:
    keys = dict(zip(group_by, values, strict=False))
    if "job" in keys:
        keys["job"] = ids.show("job", keys["job"])
    reserved, settled, quantity = values[len(group_by) :]
    return CostRow(**keys, reserved=reserved, settled=settled, quantity=quantity)


def _order(row: CostRow, group_by: tuple[str, ...]) -> list[tuple[bool, str]]:
    keys = [getattr(row, key) for key in group_by]
    return [(key is None, key or "") for key in keys]


def booked(session: Session, team_id: UUID, ext_ref: str) -> Decimal | None:
    """The amount booked for a bill of the provider; None when it is not in the ledger yet."""
    return session.scalar(
        select(LedgerEntry.amount).where(LedgerEntry.team_id == team_id, LedgerEntry.ext_ref == ext_ref)
    )
