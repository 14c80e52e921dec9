"""Writes of connections."""

from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit
from service.connections.errors import BadBaseUrl, ConnectionNotFound, ConnectionTaken
from service.connections.models import Connection
from service.connections.queries import ConnectionFacts, key_place
from service.connections.rules import Kind, is_base_url
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
        "is_default": is_default,
    }
    made = ConnectionFacts(new_id(), name, kind, provider)
    sealed = seal(api_key.get_secret_value(), key_place(made.id))
    row = insert(Connection).values(id=made.id, sealed_key=sealed, **shown).on_conflict_do_nothing()
    if session.scalar(row.returning(Connection.id)) is None:
        raise ConnectionTaken(pointer="#/name", name=name)
    audit.record(
        session, actor, "connection.created", object_type="connection", object_id=show("conn", made.id), after=shown
    )
    return made


def replace_key(session: Session, actor: Actor, name: str, api_key: SecretStr) -> None:
    """Seal another key for the account of this name, say after a leak. Raises ConnectionNotFound."""
    connection_id = session.scalar(select(Connection.id).where(Connection.name == name).with_for_update())
    if connection_id is None:
        raise ConnectionNotFound(connection=name)
    sealed = seal(api_key.get_secret_value(), key_place(connection_id))
    session.execute(update(Connection).where(Connection.id == connection_id).values(sealed_key=sealed))
    audit.record(
        session, actor, "connection.key_replaced", object_type="connection", object_id=show("conn", connection_id)
    )
