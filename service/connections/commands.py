"""Writes of connections. An operator's actor everywhere; `connection` is an account's shown id or its name."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit, tenants
from service.connections.errors import (
    BadBaseUrl,
    ConnectionArchived,
    ConnectionInUse,
    ConnectionTaken,
    DefaultNeeded,
    NoCostsApi,
)
from service.connections.models import Connection, ConnectionSlots, ConnectionTest
from service.connections.queries import (
    ConnectionFacts,
    admin_key_place,
    circuit_names,
    key_place,
    look_up,
    webhook_place,
)
from service.connections.rules import Kind, TestState, is_base_url
from service.connections.schemas import ConnectionUpdate
from service.kit import circuit
from service.kit.identity import Actor
from service.kit.ids import new_id, show
from service.kit.sealing import seal


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    kind: Kind,
    provider: str,
    base_url: str,
    api_key: SecretStr,
    organisation: str | None = None,
    project: str | None = None,
    requests_per_minute: int | None = None,
    slots: int | None = None,
    is_default: bool = False,
) -> ConnectionFacts:
    """Add a provider account; its key is sealed and never shown again. Raises BadBaseUrl or ConnectionTaken."""
    if not is_base_url(base_url):
        raise BadBaseUrl(pointer="#/base_url", base_url=base_url)
    shown = {
        "name": name,
        "kind": kind.value,
        "provider": provider,
        "base_url": base_url,
        "organisation": organisation,
        "project": project,
        "requests_per_minute": requests_per_minute,
        "slots": slots,
        "is_default": is_default,
    }
    made = ConnectionFacts(new_id(), name, kind, provider)
    sealed = seal(api_key.get_secret_value(), key_place(made.id))
    row = insert(Connection).values(id=made.id, sealed_key=sealed, **shown).on_conflict_do_nothing()
    if session.scalar(row.returning(Connection.id)) is None:
        raise ConnectionTaken(pointer="#/name", name=name)
    _record(session, actor, "created", made.id, after=shown)
    return made


def update_connection(session: Session, actor: Actor, connection: str, wanted: ConnectionUpdate) -> None:
    """Change what `wanted` names; nothing that is under way is touched. Another address needs no new key to be sent it.

    Raises ConnectionNotFound, ConnectionArchived, ConnectionTaken or BadBaseUrl.
    """
    row = _locked(session, connection)
    changes = wanted.model_dump(include=wanted.model_fields_set)
    for name in ("name", "base_url", "is_default"):
        if changes.get(name) is None:
            changes.pop(name, None)
    if "base_url" in changes and not is_base_url(changes["base_url"]):
        raise BadBaseUrl(pointer="#/base_url", base_url=changes["base_url"])
    changes = {name: value for name, value in changes.items() if value != getattr(row, name)}
    if not changes:
        return
    before = {name: getattr(row, name) for name in changes}
    if "is_default" in changes:
        session.execute(
            update(Connection).where(Connection.is_default).values(is_default=False),
            execution_options={"synchronize_session": False},
        )
    _set(session, row.id, **changes)
    _record(session, actor, "changed", row.id, before=before, after=changes)


def replace_key(session: Session, actor: Actor, connection: str, api_key: SecretStr) -> None:
    """Seal another key. Calls under way end with the old one, every later call has the new one.

    What was noted of the old one (its circuits) is forgotten. Raises ConnectionNotFound or ConnectionArchived.
    """
    row = _locked(session, connection)
    _set(session, row.id, sealed_key=seal(api_key.get_secret_value(), key_place(row.id)))
    circuit.close(session, circuit_names(row.id))
    _record(session, actor, "key_replaced", row.id)


def set_webhook_secret(session: Session, actor: Actor, connection: str, secret: SecretStr | None) -> None:
    """Seal what the provider signs its webhooks with; None: they are refused. Raises as replace_key does."""
    row = _locked(session, connection)
    sealed = seal(secret.get_secret_value(), webhook_place(row.id)) if secret else None
    _set(session, row.id, sealed_webhook_secret=sealed)
    _record(session, actor, "webhook_secret_replaced" if secret else "webhook_secret_removed", row.id)


def set_admin_key(session: Session, actor: Actor, connection: str, admin_key: SecretStr | None) -> None:
    """Seal what costs and usage are read with; None: they are not. Raises NoCostsApi, and as replace_key does."""
    row = _locked(session, connection)
    if admin_key is not None and row.kind == Kind.AZURE:
        raise NoCostsApi(connection=row.name)
    sealed = seal(admin_key.get_secret_value(), admin_key_place(row.id)) if admin_key else None
    _set(session, row.id, sealed_admin_key=sealed)
    _record(session, actor, "admin_key_replaced" if admin_key else "admin_key_removed", row.id)


def set_slots(session: Session, actor: Actor, connection: str, base_model: str, slots: int | None) -> None:
    """Say how many jobs of the model go there at a time; None: what its refusals teach. Raises as replace_key does.

    What they taught so far is forgotten: whoever says a number may know of a new one.
    """
    row = _locked(session, connection)
    of_model = (ConnectionSlots.connection_id == row.id, ConnectionSlots.base_model == base_model)
    before = session.scalar(select(ConnectionSlots.slots).where(*of_model))
    said = insert(ConnectionSlots).values(connection_id=row.id, base_model=base_model, slots=slots)
    anew = {"slots": said.excluded.slots, "learned": None, "learned_at": None}
    session.execute(said.on_conflict_do_update(index_elements=["connection_id", "base_model"], set_=anew))
    named = {"model": base_model}
    _record(session, actor, "slots_set", row.id, before=named | {"slots": before}, after=named | {"slots": slots})


def pause(session: Session, actor: Actor, connection: str, reason: str) -> None:
    """Let nothing new go there. Jobs at the provider are followed on; again changes the reason.

    Raises as replace_key does.
    """
    row = _locked(session, connection)
    _set(session, row.id, paused_reason=reason, paused_at=func.coalesce(Connection.paused_at, func.clock_timestamp()))
    _record(session, actor, "paused", row.id, before={"reason": row.paused_reason}, after={"reason": reason})


def resume(session: Session, actor: Actor, connection: str) -> None:
    """End an operator's pause and whatever the circuits hold back. Raises as replace_key does."""
    row = _locked(session, connection)
    _set(session, row.id, paused_reason=None, paused_at=None)
    circuit.close(session, circuit_names(row.id))
    _record(session, actor, "resumed", row.id, before={"reason": row.paused_reason})


def archive(session: Session, actor: Actor, connection: str, *, jobs_open: Callable[[UUID], int]) -> None:
    """Retire the account; `jobs_open` counts the jobs on it that are not over. Again changes nothing.

    Raises ConnectionNotFound, DefaultNeeded or ConnectionInUse.
    """
    row = look_up(session, connection, lock=True)
    if row.archived_at is not None:
        return
    if row.is_default:
        raise DefaultNeeded(connection=row.name)
    jobs, teams = jobs_open(row.id), tenants.count_choosers(session, row.id)
    if jobs or teams:
        raise ConnectionInUse(connection=row.name, jobs=jobs, teams=teams)
    _set(session, row.id, archived_at=func.clock_timestamp())
    _record(session, actor, "archived", row.id)


def request_test(session: Session, actor: Actor, connection: str) -> UUID:
    """Have a worker try the account, paused or not. Raises as replace_key does."""
    row, test_id = _locked(session, connection), new_id()
    session.execute(
        insert(ConnectionTest).values(
            id=test_id,
            connection_id=row.id,
            created_by=actor.name,
            state=TestState.WAITING,
            due_at=func.clock_timestamp(),
        )
    )
    _record(session, actor, "tested", row.id, after={"test": show("ctest", test_id)})
    return test_id


def _locked(session: Session, connection: str) -> Connection:
    row = look_up(session, connection, lock=True)
    if row.archived_at is not None:
        raise ConnectionArchived(connection=row.name)
    return row


def _set(session: Session, connection_id: UUID, **values: Any) -> None:
    """Raises ConnectionTaken where the new name is another's."""
    change = update(Connection).where(Connection.id == connection_id).values(**values)
    try:
        with session.begin_nested():
            session.execute(change, execution_options={"synchronize_session": False})
    except IntegrityError as error:
        raise ConnectionTaken(pointer="#/name", name=values.get("name", "")) from error


def _record(
    session: Session,
    actor: Actor,
    action: str,
    connection_id: UUID,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    audit.record(
        session,
        actor,
        f"connection.{action}",
        object_type="connection",
        object_id=show("conn", connection_id),
        before=before,
        after=after,
    )
