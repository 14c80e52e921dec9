"""Reads of usage and of what explains it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from service import connections, tenants
from service.costs.metering.models import OwnedModel, ProviderReading, UsageDay, UsageOwner
from service.costs.metering.rules import Failure, Made, Owner, Owners
from service.costs.metering.schemas import ReadingView, UsageOwnerView, UsagePage, UsageState, UsageView
from service.costs.rules import Period
from service.kit.ids import show
from service.kit.pages import Page, newest_first, page_of


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which usage is asked for; what is None is any."""

    period: Period
    team_id: UUID | None = None
    connection_id: UUID | None = None
    model: str | None = None
    state: UsageState | None = None
    is_unallocated: bool = False


def owners(session_as_operator: Session, connection_id: UUID, models: Collection[str]) -> Owners:
    """Whose keys and projects there are at the account, and who made these models, whoever was first."""
    said = select(UsageOwner.kind, UsageOwner.external_id, UsageOwner.team_id).where(
        UsageOwner.connection_id == connection_id
    )
    made = select(OwnedModel).where(OwnedModel.model.in_(models)).order_by(OwnedModel.owned_at.desc())
    return Owners(
        {(kind, external_id): team for kind, external_id, team in session_as_operator.execute(said)},
        {one.model: Made(one.team_id, one.base_model, one.version_id) for one in session_as_operator.scalars(made)},
    )


def reading(session: Session, connection_id: UUID, what: str) -> ProviderReading | None:
    """What was last read of the account."""
    return session.get(ProviderReading, (connection_id, what))


def list_usage(
    session: Session, wanted: UsageFilter, *, after: UUID | None, limit: int, tell_accounts: bool
) -> UsagePage:
    """Usage that the session's role may see, the line told of last first; and of accounts, which no team may see."""
    rows, has_more = newest_first(session, _usage(wanted), UsageDay.id, after=after, limit=limit)
    slugs = tenants.slugs(session, {row.team_id for row in rows if row.team_id})
    views = [_usage_view(row, slugs.get(row.team_id) if row.team_id else None) for row in rows]
    page = page_of(views, has_more=has_more)
    return UsagePage(**dict(page), accounts=readings(session) if tell_accounts else [])


def _usage(wanted: UsageFilter) -> Select[UsageDay]:
    conditions: list[ColumnElement[bool]] = [
        UsageDay.day >= wanted.period.start.date(), UsageDay.day < wanted.period.end.date()
    ]  # fmt: skip
    if wanted.team_id is not None:
        conditions.append(UsageDay.team_id == wanted.team_id)
    if wanted.connection_id is not None:
        conditions.append(UsageDay.connection_id == wanted.connection_id)
    if wanted.model is not None:
        conditions.append(UsageDay.model == wanted.model)
    if wanted.is_unallocated:
        conditions.append(UsageDay.team_id.is_(None))
    match wanted.state:
        case "booked":
            conditions.append(UsageDay.quantity == UsageDay.booked)
        case "unpriced":
            conditions += [UsageDay.quantity != UsageDay.booked, UsageDay.is_unpriced.is_(True)]
        case "waiting":
            conditions += [UsageDay.quantity != UsageDay.booked, UsageDay.is_unpriced.is_(False)]
    return select(UsageDay).where(*conditions)


def _usage_view(row: UsageDay, team: str | None) -> UsageView:
    open_state: UsageState = "unpriced" if row.is_unpriced else "waiting"
    return UsageView(
        id=show("usage", row.id),
        day=row.day,
        connection=show("conn", row.connection_id),
        provider=row.provider,
        project=row.project or None,
        api_key=row.api_key or None,
        model=row.model,
        base_model=row.base_model,
        version=show("mver", row.version_id) if row.version_id else None,
        tier=row.tier,
        meter=row.meter,
        quantity=row.quantity,
        booked=row.booked,
        amount=row.amount,
        requests=row.requests,
        team=team,
        owner=Owner(row.owner),
        state="booked" if row.quantity == row.booked else open_state,
        read_at=row.read_at,
    )


def list_owners(session: Session, *, after: UUID | None, limit: int) -> Page[UsageOwnerView]:
    """Which keys and projects are whose, newest first."""
    rows, has_more = newest_first(session, select(UsageOwner), UsageOwner.id, after=after, limit=limit)
    slugs = tenants.slugs(session, {row.team_id for row in rows})
    return page_of([owner_view(row, slugs[row.team_id]) for row in rows], has_more=has_more)


def owner_view(row: UsageOwner, team: str) -> UsageOwnerView:
    return UsageOwnerView(
        id=show("uown", row.id),
        connection=show("conn", row.connection_id),
        kind=Owner(row.kind),
        external_id=row.external_id,
        team=team,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
    )


def readings(session: Session) -> list[ReadingView]:
    """How far each account that is not archived has been read, oldest first; or why it is not."""
    found = {(row.connection_id, row.what): row for row in session.scalars(select(ProviderReading))}
    return [
        _reading_view(account, what, found.get((account.id, what)))
        for account in connections.accounts(session)
        for what in ("usage", "costs")
    ]


def _reading_view(account: connections.AccountFacts, what: str, row: ProviderReading | None) -> ReadingView:
    failure = None if row is None or row.failure is None else Failure(row.failure)
    return ReadingView(
        connection=show("conn", account.id),
        name=account.name,
        what=what,
        unavailable=failure if account.has_admin_key else Failure.NO_ADMIN_KEY,
        message=row.message if row and account.has_admin_key else None,
        newest_day=row.newest_day if row else None,
        through=row.through if row else None,
        read_at=row.read_at if row else None,
        asked_at=row.asked_at if row else None,
    )


def unbooked(session_as_operator: Session) -> Sequence[UUID | None]:
    """The teams, and None for nobody, whose usage the ledger does not have yet, or has too much of."""
    found = select(UsageDay.team_id).where(UsageDay.quantity != UsageDay.booked).distinct()
    return session_as_operator.scalars(found).all()


def midnight(day: date) -> datetime:
    """The day's first instant; providers' days are UTC."""
    return datetime.combine(day, time.min, UTC)
