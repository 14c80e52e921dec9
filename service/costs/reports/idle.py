"""Tuned models that nobody uses: to be retired, or never to be trained again."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Select, cast, func, select, tuple_
from sqlalchemy.orm import Session

from service import tenants
from service.costs.metering.models import OwnedModel, ProviderReading, UsageDay
from service.costs.models import LedgerEntry
from service.costs.reports.outlook_schemas import IdleModel
from service.kit import ids, money
from service.kit.pages import Page

IDLE_DAYS: Final = 30


def idle_models(session: Session, *, team_id: UUID | None, days: int, after: str | None, limit: int) -> Page[IdleModel]:
    """Models not used for so many days before the day up to which their account's usage was read, by their name.

    Where usage was never read nothing is said: what nobody has looked at is not idle.
    """
    found = session.execute(_idle(team_id, days, after).limit(limit + 1)).all()
    rows = found[:limit]
    cost = _costs(session, [(row.team_id, row.model) for row in rows])
    slugs = tenants.slugs(session, {row.team_id for row in rows})
    views = [
        IdleModel(
            id=row.model,
            team=slugs.get(row.team_id),
            version=ids.show("mver", row.version_id) if row.version_id else None,
            base_model=row.base_model,
            created_on=row.created_on,
            last_used_on=row.last_used_on,
            usage_read_before=row.through,
            idle_days=row.idle_days,
            cost=cost.get(row.model, money.ZERO),
            currency=money.CURRENCY,
        )
        for row in rows
    ]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return Page[IdleModel](data=views, has_more=len(found) > limit, first_id=first, last_id=last)


def _idle(team_id: UUID | None, days: int, after: str | None) -> Select[*tuple[Any, ...]]:
    used = (
        select(func.max(UsageDay.day))
        .where(UsageDay.model == OwnedModel.model, UsageDay.quantity > 0)
        .scalar_subquery()
    )
    created = cast(func.timezone("UTC", OwnedModel.owned_at), Date)
    idle = ProviderReading.through - func.coalesce(used, created)
    wanted = (
        select(
            OwnedModel.team_id,
            OwnedModel.model,
            OwnedModel.version_id,
            OwnedModel.base_model,
            created.label("created_on"),
            used.label("last_used_on"),
            ProviderReading.through,
            idle.label("idle_days"),
        )
        .join(ProviderReading, ProviderReading.connection_id == OwnedModel.connection_id)
        .where(ProviderReading.what == "usage", ProviderReading.through.is_not(None), idle >= days)
        .order_by(OwnedModel.model, OwnedModel.team_id)
    )
    if team_id is not None:
        wanted = wanted.where(OwnedModel.team_id == team_id)
    return wanted if after is None else wanted.where(OwnedModel.model > after)


def _costs(session: Session, models: Sequence[tuple[UUID, str]]) -> dict[str, Any]:
    """All that was booked for these models, by their name."""
    of = select(LedgerEntry.model, func.sum(LedgerEntry.amount)).where(
        tuple_(LedgerEntry.team_id, LedgerEntry.model).in_(models)
    )
    return {row[0] or "": row[1] for row in session.execute(of.group_by(LedgerEntry.model))} if models else {}
