"""Requests for more budget: a team asks, an operator decides, and what is granted is taken back when it expires."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from service import audit, tenants, webhooks
from service.kit import ids, money
from service.kit.identity import Actor
from service.kit.pages import Page, newest_first, page_of
from service.kit.settings import settings
from service.quotas import months, rules
from service.quotas.errors import (
    BudgetIsUnlimited,
    BudgetRequestDecided,
    BudgetRequestExpired,
    BudgetRequestNotFound,
    GrantOutsideMonth,
)
from service.quotas.models import BudgetMonth, BudgetRequest
from service.quotas.months import FOR_UPDATE
from service.quotas.schemas import BudgetAsk, BudgetGrant, BudgetRequestView, GrantView, RequestState
from service.tenants import TeamFacts

PREFIX = "breq"


def ask_for_budget(
    session: Session, actor: Actor, team: TeamFacts, wanted: BudgetAsk, *, at: datetime
) -> BudgetRequestView:
    """Ask for more budget this month. Pending, it expires by itself."""
    row = BudgetRequest(
        id=ids.new_id(), team_id=team.id, team_slug=team.slug, amount=Decimal(wanted.amount), reason=wanted.reason,
        state="pending", created_by=actor.name, created_at=at,
        expires_at=at + timedelta(seconds=settings().budget_request_seconds),
    )  # fmt: skip
    session.add(row)
    _tell(session, actor, row, "asked", after={"amount": money.text(row.amount)})
    webhooks.publish(
        session, team.id, webhooks.EventType.BUDGET_REQUESTED, at, id=ids.show(PREFIX, row.id),
        amount=money.text(row.amount), currency=money.CURRENCY, requested_by=row.created_by,
        expires_at=f"{row.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    return _view(row, at)


def budget_request(session: Session, shown_id: str, *, within: UUID | None, at: datetime) -> BudgetRequestView:
    """The request; `within` a team there is no other. Raises BudgetRequestNotFound."""
    return _view(_find(session, shown_id, within), at)


def budget_requests(
    session: Session,
    *,
    team_id: UUID | None,
    state: RequestState | None,
    at: datetime,
    after: str | None,
    limit: int,
) -> Page[BudgetRequestView]:
    """Requests, newest first; `team_id` narrows them to one team. Raises BudgetRequestNotFound for a bad `after`."""
    asked = select(BudgetRequest)
    if team_id is not None:
        asked = asked.where(BudgetRequest.team_id == team_id)
    if state is not None:
        asked = asked.where(_is(state, at))
    before = _id(after) if after else None
    rows, has_more = newest_first(session, asked, BudgetRequest.id, after=before, limit=limit)
    return page_of([_view(row, at) for row in rows], has_more=has_more)


def approve_budget(
    session: Session, actor: Actor, shown_id: str, wanted: BudgetGrant, *, at: datetime
) -> BudgetRequestView:
    """Add what was asked for, or what is granted instead, to the team's present month, until the grant expires.

    Again changes nothing. Raises BudgetRequestDecided, also where something else was granted, BudgetRequestExpired,
    GrantOutsideMonth or BudgetIsUnlimited.
    """
    row = _find(session, shown_id, None, lock=True)
    if row.state == "approved" or not _is_open(row, at):
        return _as_decided(row, "approved" if _is_granted(row, wanted) else "otherwise", at)
    team = tenants.team(session, row.team_id)
    month = rules.month_of(at, team.time_zone)
    ends_at = rules.begins_at(rules.next_month(month), team.time_zone)
    until = wanted.expires_at or ends_at
    if not at < until <= ends_at:
        raise GrantOutsideMonth(pointer="#/expires_at", ends_at=f"{ends_at:%Y-%m-%dT%H:%M:%SZ}")
    amount = Decimal(wanted.amount) if wanted.amount else row.amount
    _grant(session, team, month, amount, until=until, at=at)
    row.month, row.granted_amount, row.granted_until = month, amount, until
    _decide(session, actor, row, "approved", at, note=wanted.note)
    webhooks.publish(
        session, team.id, webhooks.EventType.BUDGET_REQUEST_APPROVED, at, id=ids.show(PREFIX, row.id),
        amount=money.text(amount), currency=money.CURRENCY, expires_at=f"{until:%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    return _view(row, at)


def decline_budget(
    session: Session, actor: Actor, shown_id: str, *, note: str | None, at: datetime
) -> BudgetRequestView:
    """Grant nothing. Again changes nothing. Raises BudgetRequestDecided or BudgetRequestExpired."""
    row = _find(session, shown_id, None, lock=True)
    if row.state == "declined" or not _is_open(row, at):
        return _as_decided(row, "declined", at)
    _decide(session, actor, row, "declined", at, note=note)
    webhooks.publish(
        session, row.team_id, webhooks.EventType.BUDGET_REQUEST_DECLINED, at, id=ids.show(PREFIX, row.id), note=note
    )
    return _view(row, at)


def withdraw_budget(session: Session, actor: Actor, shown_id: str, *, at: datetime) -> BudgetRequestView:
    """Take the team's own request back. Again changes nothing. Raises as `decline_budget`."""
    row = _find(session, shown_id, actor.team, lock=True)
    if row.state == "withdrawn" or not _is_open(row, at):
        return _as_decided(row, "withdrawn", at)
    _decide(session, actor, row, "withdrawn", at)
    return _view(row, at)


def _grant(session: Session, team: TeamFacts, month: date, amount: Decimal, *, until: datetime, at: datetime) -> None:
    months.prepare(session, team.id, month, without_budget=True)
    months.take_back(session, team.id, month, at)
    opened = session.get_one(BudgetMonth, (team.id, month), **FOR_UPDATE)
    if opened.base_amount is None:
        raise BudgetIsUnlimited(team=team.slug)
    opened.granted += amount
    opened.grants_until = min(until, opened.grants_until or until)
    session.flush()


def _find(session: Session, shown_id: str, within: UUID | None, *, lock: bool = False) -> BudgetRequest:
    asked = select(BudgetRequest).where(BudgetRequest.id == _id(shown_id))
    if within is not None:
        asked = asked.where(BudgetRequest.team_id == within)
    if lock:
        asked = asked.with_for_update()
    row = session.scalar(asked, execution_options={"populate_existing": True})
    if row is None:
        raise BudgetRequestNotFound(request=shown_id)
    return row


def _id(shown_id: str) -> UUID:
    try:
        return ids.read(PREFIX, shown_id)
    except ids.UnknownId as error:
        raise BudgetRequestNotFound(request=shown_id) from error


def _is_open(row: BudgetRequest, at: datetime) -> bool:
    return row.state == "pending" and at < row.expires_at


def _is(state: RequestState, at: datetime) -> ColumnElement[bool]:
    if state == "expired":
        return and_(BudgetRequest.state == "pending", BudgetRequest.expires_at <= at)
    if state == "pending":
        return and_(BudgetRequest.state == "pending", BudgetRequest.expires_at > at)
    return BudgetRequest.state == state


def _is_granted(row: BudgetRequest, wanted: BudgetGrant) -> bool:
    """Whether nothing else is wanted than what was granted: somebody who grants 4 is not told that 3 were."""
    amount = Decimal(wanted.amount) if wanted.amount else row.granted_amount
    return (amount, wanted.expires_at or row.granted_until) == (row.granted_amount, row.granted_until)


def _as_decided(row: BudgetRequest, wanted: str, at: datetime) -> BudgetRequestView:
    """The request if that is what was decided already; else the refusal."""
    if row.state == wanted:
        return _view(row, at)
    shown = ids.show(PREFIX, row.id)
    if row.state == "pending":
        raise BudgetRequestExpired(request=shown, expired_at=f"{row.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    raise BudgetRequestDecided(request=shown, state=row.state)


def _decide(
    session: Session, actor: Actor, row: BudgetRequest, state: str, at: datetime, *, note: str | None = None
) -> None:
    row.state, row.decided_by, row.decided_at, row.note = state, actor.name, at, note
    granted = {"amount": money.text(row.granted_amount)} if row.granted_amount else {}
    _tell(session, actor, row, state, after=granted | ({"note": note} if note else {}))


def _tell(session: Session, actor: Actor, row: BudgetRequest, what: str, *, after: dict[str, str]) -> None:
    session.flush()
    audit.record(
        session, actor, f"budget_request.{what}", object_type="budget_request", object_id=ids.show(PREFIX, row.id),
        team_id=row.team_id, after=after,
    )  # fmt: skip


def _view(row: BudgetRequest, at: datetime) -> BudgetRequestView:
    expired = row.state == "pending" and not _is_open(row, at)
    return BudgetRequestView.model_validate(
        {
            "id": ids.show(PREFIX, row.id),
            "team": row.team_slug,
            "state": "expired" if expired else row.state,
            "grant": _granted(row, at),
            **{
                name: getattr(row, name)
                for name in (
                    "amount", "reason", "created_by", "created_at", "expires_at", "decided_by", "decided_at", "note",
                )
            },
        }
    )  # fmt: skip


def _granted(row: BudgetRequest, at: datetime) -> GrantView | None:
    if row.granted_amount is None or row.granted_until is None or row.month is None:
        return None
    return GrantView(
        month=f"{row.month:%Y-%m}", amount=row.granted_amount, expires_at=row.granted_until,
        expired=row.granted_until <= at,
    )  # fmt: skip
