"""Connections and their tests as operators see them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.connections.errors import TestNotFound
from service.connections.models import Connection, ConnectionSlots, ConnectionTest
from service.connections.queries import look_up
from service.connections.rules import Kind, TestFailure, TestState
from service.connections.schemas import (
    CircuitView,
    ConnectionTestView,
    ConnectionView,
    PausedView,
    SlotsView,
)
from service.kit import circuit
from service.kit.ids import UnknownId, read, show
from service.kit.pages import Page, newest_first, page_of


def show_connection(session_as_operator: Session, connection: str) -> ConnectionView:
    """The account of this shown id or name. Raises ConnectionNotFound."""
    (view,) = _views(session_as_operator, [look_up(session_as_operator, connection)])
    return view


def list_connections(session_as_operator: Session, *, after: UUID | None, limit: int) -> Page[ConnectionView]:
    """Accounts, newest first, archived ones included."""
    rows, has_more = newest_first(session_as_operator, select(Connection), Connection.id, after=after, limit=limit)
    return page_of(_views(session_as_operator, rows), has_more=has_more)


def show_test(session_as_operator: Session, connection: str, test: str) -> ConnectionTestView:
    """How a test of the account stands. Raises ConnectionNotFound or TestNotFound."""
    account = look_up(session_as_operator, connection)
    try:
        row = session_as_operator.get(ConnectionTest, read("ctest", test))
    except UnknownId:
        row = None
    if row is None or row.connection_id != account.id:
        raise TestNotFound(test=test)
    return ConnectionTestView(
        id=show("ctest", row.id),
        connection=show("conn", row.connection_id),
        state=TestState(row.state),
        code=TestFailure(row.code) if row.code else None,
        message=row.message,
        models=row.models,
        milliseconds=row.milliseconds,
        created_by=row.created_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _views(session: Session, rows: Sequence[Connection]) -> list[ConnectionView]:
    ids = [row.id for row in rows]
    signed = set(
        session.scalars(
            select(Connection.id).where(Connection.id.in_(ids), Connection.sealed_webhook_secret.is_not(None))
        )
    )
    circuits, slots = _circuits(session), _slots(session, ids)
    return [
        ConnectionView(
            id=show("conn", row.id),
            name=row.name,
            kind=Kind(row.kind),
            provider=row.provider,
            base_url=row.base_url,
            organisation=row.organisation,
            project=row.project,
            is_default=row.is_default,
            requests_per_minute=row.requests_per_minute,
            slots=row.slots,
            slots_by_model=slots[row.id],
            has_webhook_secret=row.id in signed,
            has_admin_key=row.has_admin_key,
            paused=PausedView(reason=row.paused_reason or "", since=row.paused_at) if row.paused_at else None,
            circuits=circuits[row.id],
            archived_at=row.archived_at,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _circuits(session: Session) -> dict[UUID, list[CircuitView]]:
    by_account: dict[UUID, list[CircuitView]] = defaultdict(list)
    for one in circuit.openings(session, also_on_trial=True):
        account, _, use = one.name.partition(":")
        by_account[UUID(account)].append(
            CircuitView(use=cast("Literal['create', 'ask']", use), reason=one.reason, since=one.since, until=one.until)
        )
    return by_account


def _slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[SlotsView]]:
    by_account: dict[UUID, list[SlotsView]] = defaultdict(list)
    of_these = select(ConnectionSlots).where(ConnectionSlots.connection_id.in_(ids))
    for row in session.scalars(of_these.order_by(ConnectionSlots.base_model)):
        by_account[row.connection_id].append(
            SlotsView(model=row.base_model, slots=row.slots, learned=row.learned, learned_at=row.learned_at)
        )
    return by_account
