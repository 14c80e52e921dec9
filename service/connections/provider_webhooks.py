"""Webhooks that providers send: whose they are, whether they are genuine, and whether they came before."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.connections import queries
from service.connections.errors import WebhookRefused
from service.connections.models import ProviderWebhook
from service.kit import signatures
from service.kit.ids import UnknownId, read
from service.kit.sealing import seal, unseal

_KEPT: Final = timedelta(days=4)  # OpenAI repeats for three
_NOBODY: Final = UUID(int=0)


def take_webhook(
    session_as_worker: Session,
    connection: str,
    *,
    webhook_id: str,
    timestamp: str,
    signed: str,
    body: bytes,
    at: datetime,
) -> UUID | None:
    """The id of the connection (`conn_…`) that sent this webhook; None where it was taken before.

    Raises WebhookRefused, after the same work and in the same words, whether the connection is unknown, has no secret
    or the signature is wrong: who may not send learns nothing of which there are.
    """
    try:
        connection_id = read("conn", connection)
    except UnknownId:
        connection_id = _NOBODY
    secret = queries.webhook_secret(session_as_worker, connection_id)
    genuine = signatures.is_signed(
        unseal(_decoy(), queries.webhook_place(_NOBODY)) if secret is None else secret,
        webhook_id=webhook_id, timestamp=timestamp, signatures=signed, body=body, at=at,
    )  # fmt: skip
    if secret is None or not genuine:
        raise WebhookRefused
    taken = insert(ProviderWebhook).values(connection_id=connection_id, webhook_id=webhook_id)
    is_new = session_as_worker.scalar(taken.on_conflict_do_nothing().returning(ProviderWebhook.webhook_id))
    return connection_id if is_new else None


def purge_webhooks(session_as_operator: Session) -> None:
    """Forget those that the provider will not repeat any more."""
    old = ProviderWebhook.received_at < func.clock_timestamp() - _KEPT
    session_as_operator.execute(delete(ProviderWebhook).where(old))


@lru_cache
def _decoy() -> bytes:
    return seal(signatures.PREFIX + "bm9ib2R5", queries.webhook_place(_NOBODY))
