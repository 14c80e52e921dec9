"""Reads of connections. Their keys open for workers and operators only: other roles may not even select them."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from service.connections.errors import ConnectionArchived, ConnectionNotFound, NoConnection
from service.connections.models import Connection, ConnectionTest
from service.connections.rules import Kind, TestState
from service.kit import circuit
from service.kit.ids import UnknownId, read, show
from service.kit.sealing import place, unseal
from service.provider.shapes import Credentials
from service.tenants import TeamFacts

_USES: Final = ("create", "ask")  # as the provider's client calls them


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What everybody may know of a connection. `provider` is its name in the catalog."""

    id: UUID
    name: str
    kind: Kind
    provider: str


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account, and whether its costs and usage can be read."""

    id: UUID
    name: str
    has_admin_key: bool


@dataclass(frozen=True, slots=True)
class MeteredAccount:
    """An account whose costs and usage can be read: all of its organisation's, or those of its one `project`."""

    id: UUID
    provider: str
    project: str | None


@dataclass(frozen=True, slots=True)
class BilledAccount:
    """An account as invoices know it: the provider's name for the organisation, if we were told, and ours for it."""

    organisation: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing new goes to an account. `until` is null where a person has to resume it."""

    reason: str
    since: datetime
    until: datetime | None


def of_team(session: Session, team: TeamFacts) -> ConnectionFacts:
    """The account a team's jobs run on: its own, else the default. Raises NoConnection without a default."""
    chosen = Connection.is_default if team.connection_id is None else Connection.id == team.connection_id
    found = _facts(session, chosen)
    if found is None:
        raise NoConnection
    return found


def default(session: Session) -> ConnectionFacts | None:
    """The account of teams that chose none."""
    return _facts(session, Connection.is_default)


def in_use(session_as_worker: Session) -> list[UUID]:
    """Every account that is not archived."""
    return list(session_as_worker.scalars(select(Connection.id).where(Connection.archived_at.is_(None))))


def find(session: Session, shown_id: str) -> ConnectionFacts:
    """The connection with this id (`conn_…`), to be chosen for something.

    Raises ConnectionNotFound or ConnectionArchived, blaming the body's field `connection`.
    """
    try:
        chosen = Connection.id == read("conn", shown_id)
    except UnknownId:
        raise ConnectionNotFound(pointer="#/connection", connection=shown_id) from None
    found = _facts(session, chosen)
    if found is None:
        raise ConnectionNotFound(pointer="#/connection", connection=shown_id)
    if session.scalar(select(Connection.archived_at).where(chosen)) is not None:
        raise ConnectionArchived(pointer="#/connection", connection=found.name)
    return found


def look_up(session_as_operator: Session, connection: str, *, lock: bool = False) -> Connection:
    """The account of this shown id or name, archived ones included. Raises ConnectionNotFound."""
    asked = Connection.name == connection
    with suppress(UnknownId):
        asked = or_(asked, Connection.id == read("conn", connection))
    statement = select(Connection).where(asked)
    found = session_as_operator.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise ConnectionNotFound(connection=connection)
    return found


def credentials(session_as_worker: Session, connection_id: UUID) -> Credentials:
    """Open the account's key. Raises ConnectionNotFound, or kit.sealing's SealingError for a wrong master key."""
    columns = (
        Connection.kind, Connection.base_url, Connection.sealed_key, Connection.organisation, Connection.project,
        Connection.requests_per_minute, Connection.paused_reason,
    )  # fmt: skip
    row = session_as_worker.execute(select(*columns).where(Connection.id == connection_id)).one_or_none()
    if row is None:
        raise ConnectionNotFound(connection=show("conn", connection_id))
    return Credentials(
        kind=row.kind,
        base_url=row.base_url,
        api_key=unseal(row.sealed_key, key_place(connection_id)),
        organisation=row.organisation,
        project=row.project,
        account=connection_id,
        requests_per_minute=row.requests_per_minute,
        paused=row.paused_reason,
    )


def billed(session: Session) -> dict[UUID, BilledAccount]:
    """Every account, archived ones too, for operators and finance."""
    rows = session.execute(select(Connection.id, Connection.organisation, Connection.name))
    return {row.id: BilledAccount(row.organisation, row.name) for row in rows}


def account(session: Session, connection: str) -> ConnectionFacts:
    """The account of this shown id or name, for whoever may not see how it is reached. Raises ConnectionNotFound."""
    asked = Connection.name == connection
    with suppress(UnknownId):
        asked = or_(asked, Connection.id == read("conn", connection))
    found = _facts(session, asked)
    if found is None:
        raise ConnectionNotFound(connection=connection)
    return found


def accounts(session: Session) -> list[AccountFacts]:
    """Every account that is not archived, the oldest first."""
    found = select(Connection.id, Connection.name, Connection.has_admin_key).where(Connection.archived_at.is_(None))
    return [AccountFacts(*row) for row in session.execute(found.order_by(Connection.id))]


def metered(session_as_worker: Session) -> list[MeteredAccount]:
    """Every account that is not archived and has an admin key, the oldest first."""
    columns = (Connection.id, Connection.provider, Connection.project)
    found = select(*columns).where(Connection.archived_at.is_(None), Connection.has_admin_key).order_by(Connection.id)
    return [MeteredAccount(*row) for row in session_as_worker.execute(found)]


def admin_credentials(session_as_worker: Session, connection_id: UUID) -> Credentials | None:
    """Open the account's admin key, if it has one. Raises as credentials does.

    It is the organisation's, so no project is sent with it.
    """
    columns = (
        Connection.kind, Connection.base_url, Connection.sealed_admin_key, Connection.organisation,
        Connection.requests_per_minute,
    )  # fmt: skip
    row = session_as_worker.execute(select(*columns).where(Connection.id == connection_id)).one_or_none()
    if row is None:
        raise ConnectionNotFound(connection=show("conn", connection_id))
    if row.sealed_admin_key is None:
        return None
    return Credentials(
        kind=row.kind,
        base_url=row.base_url,
        api_key=unseal(row.sealed_admin_key, admin_key_place(connection_id)),
        organisation=row.organisation,
        account=connection_id,
        requests_per_minute=row.requests_per_minute,
    )


def pauses(session: Session) -> dict[UUID, Pause]:
    """The accounts that take nothing new at this moment: an operator paused them, or their circuit is open."""
    found = {
        UUID(one.name.partition(":")[0]): Pause(one.reason, one.since, one.until)
        for one in circuit.openings(session, like="%:create")
    }
    paused = select(Connection.id, Connection.paused_reason, Connection.paused_at).where(
        Connection.paused_at.is_not(None)
    )
    return found | {row.id: Pause(row.paused_reason or "", row.paused_at, None) for row in session.execute(paused)}


def webhook_secret(session_as_worker: Session, connection_id: UUID) -> str | None:
    """What the provider signs its webhooks with, if anything. Raises SealingError for a wrong master key."""
    sealed = session_as_worker.scalar(select(Connection.sealed_webhook_secret).where(Connection.id == connection_id))
    return None if sealed is None else unseal(sealed, webhook_place(connection_id))


def tests_under_way(session_as_operator: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """The state of those of `ids` that have no result yet."""
    rows = session_as_operator.execute(
        select(ConnectionTest.id, ConnectionTest.state).where(
            ConnectionTest.id.in_(ids), ConnectionTest.state == TestState.WAITING
        )
    )
    return {row.id: row.state for row in rows}


def circuit_names(connection_id: UUID) -> list[str]:
    """The circuits that calls to the account go through."""
    return [f"{connection_id}:{use}" for use in _USES]


def webhook_place(connection_id: UUID) -> bytes:
    """What a connection's sealed webhook secret is bound to."""
    return place("connections", "sealed_webhook_secret", connection_id)


def admin_key_place(connection_id: UUID) -> bytes:
    """What a connection's sealed admin key is bound to."""
    return place("connections", "sealed_admin_key", connection_id)


def key_place(connection_id: UUID) -> bytes:
    """What a connection's sealed key is bound to."""
    return place("connections", "sealed_key", connection_id)


def _facts(session: Session, condition: ColumnElement[bool] | Any) -> ConnectionFacts | None:
    row = session.execute(
        select(Connection.id, Connection.name, Connection.kind, Connection.provider).where(condition)
    ).one_or_none()
    return row and ConnectionFacts(row.id, row.name, Kind(row.kind), row.provider)
