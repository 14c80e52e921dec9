"""Tuned models that nobody uses: to be retired, or never to be trained again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import Date, cast, func, select, tuple_
from sqlalchemy.orm import Session

from service import tenants
from service.costs.metering.models import OwnedModel, ProviderReading, UsageDay
from service.costs.models import LedgerEntry
from service.costs.reports.outlook_schemas import IdleModel
from service.kit import ids, money
from service.kit.pages import Page

IDLE_DAYS: Final = 30
MODELS_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class OldModel:
    """A tuned model that was made long enough ago to be idle. `through`: its account's usage was read before it."""

    team_id: UUID
    model: str
    version_id: UUID | None
    base_model: str
    created_on: date
    through: date
    last_used_on: date | None = None

    @property
    def idle_days(self) -> int:
        """How long it had not been used when usage was last read."""
        return (self.through - (self.last_used_on or self.created_on)).days


def old_models(session: Session, *, team_id: UUID | None, days: int, after: str | None) -> list[OldModel]:
    """The next models by name, `MODELS_BATCH` at most, that existed so many days before their usage was last read.

    Where an account's usage was never read nothing is said: what nobody has looked at is not idle.
    """
    created = cast(func.timezone("UTC", OwnedModel.owned_at), Date)
    shown = (OwnedModel.team_id, OwnedModel.model, OwnedModel.version_id, OwnedModel.base_model, created)
    wanted = (
        select(*shown, cast(ProviderReading.through, Date))
        .join(ProviderReading, ProviderReading.connection_id == OwnedModel.connection_id)
        .where(ProviderReading.what == "usage", ProviderReading.through - created >= days)
        .order_by(OwnedModel.model, OwnedModel.team_id)
        .limit(MODELS_BATCH)
    )
    if team_id is not None:
        wanted = wanted.where(OwnedModel.team_id == team_id)
    if after is not None:
        wanted = wanted.where(OwnedModel.model > after)
    return [OldModel(*row) for row in session.execute(wanted)]


def unused(session_as_operator: Session, models: Sequence[OldModel], *, days: int) -> list[OldModel]:
    """Those of them that nobody has used for so many days.

    An operator's session: a model that another team's key uses is not idle, and its own team does not see that usage.
    """
    used = (
        select(UsageDay.model, func.max(UsageDay.day))
        .where(UsageDay.model.in_([one.model for one in models]), UsageDay.quantity > 0)
        .group_by(UsageDay.model)
    )
    last = {row[0]: row[1] for row in session_as_operator.execute(used)}
    seen = (replace(one, last_used_on=last.get(one.model)) for one in models)
    return [one for one in seen if one.idle_days >= days]


def idle_page(session: Session, idle: Sequence[OldModel], *, limit: int) -> Page[IdleModel]:
    """The first of them, as shown, with what they have cost."""
    rows = idle[:limit]
    cost = _costs(session, rows)
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
            cost=cost.get((row.team_id, row.model), money.ZERO),
            currency=money.CURRENCY,
        )
        for row in rows
    ]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return Page[IdleModel](data=views, has_more=len(idle) > limit, first_id=first, last_id=last)


def _costs(session: Session, models: Sequence[OldModel]) -> dict[tuple[UUID | None, str | None], Decimal]:
    """All that was booked for these models."""
    whose = (LedgerEntry.team_id, LedgerEntry.model)
    of = select(*whose, func.sum(LedgerEntry.amount)).where(
        tuple_(*whose).in_([(one.team_id, one.model) for one in models])
    )
    return {(row[0], row[1]): row[2] for row in session.execute(of.group_by(*whose))} if models else {}
