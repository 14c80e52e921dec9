"""Idempotency-Key: the same request with the same key is carried out once, whatever races, retries or crashes.

The key's row is inserted first and commits with the work it guards, so a second request with the key waits for the
first at the unique index and then replays its answer; a request that failed leaves no row and may be repeated.
Semantics follow draft-ietf-httpapi-idempotency-key-header-07: another payload under the same key is refused with 422.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import String, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.db import Base
from service.kit.errors import Conflict, Invalid

KEEP: Final = timedelta(days=7)
LENGTH_MAX: Final = 255
_LOCK_NOT_AVAILABLE: Final = "55P03"  # lock_timeout


class IdempotencyKey(Base):
    """A key a team has used, and the answer it was given."""

    __tablename__ = "idempotency_keys"
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(LENGTH_MAX), primary_key=True)
    fingerprint: Mapped[bytes]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # JSONB would reorder the members
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request. Take a fresh key for a different request."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first request with this Idempotency-Key is still being carried out. Repeat this one in a moment."""

    code = "idempotency_key_in_use"


class BadKey(Invalid):
    """The Idempotency-Key must be 1 to 255 printable ASCII characters."""

    code = "idempotency_key_invalid"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer as JSON, and whether it is a replay of an earlier one."""

    answer: dict[str, Any]
    replayed: bool


def once(
    session: Session, team_id: UUID, key: str | None, request: object, do: Callable[[], dict[str, Any]]
) -> Outcome:
    """Carry out `do` and keep its answer under `key` for seven days, or replay the answer kept there.

    `request` is what must be equal for a replay (method, path and body, JSON-able). Without a key `do` simply runs.
    """
    if key is None:
        return Outcome(do(), replayed=False)
    key = checked(key)
    fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).digest()
    is_first = _take(session, team_id, key, fingerprint)
    where = (IdempotencyKey.team_id == team_id, IdempotencyKey.key == key)
    if not is_first:
        kept = session.execute(select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(*where)).one()
        if kept.fingerprint != fingerprint:
            raise KeyReused(pointer="Idempotency-Key")
        return Outcome(kept.answer or {}, replayed=True)
    answer = do()
    session.execute(update(IdempotencyKey).where(*where).values(answer=answer))
    return Outcome(answer, replayed=False)


def checked(key: str) -> str:
    """The key without the quotes of the draft's structured-field string; most clients send it bare. Raises BadKey."""
    key = key.strip('"')
    if not 1 <= len(key) <= LENGTH_MAX or not (key.isascii() and key.isprintable()):
        raise BadKey
    return key


def _take(session: Session, team_id: UUID, key: str, fingerprint: bytes) -> bool:
    """Whether the key is new. Waits for a request under way with it, and raises StillRunning where that is slow."""
    take = insert(IdempotencyKey).values(team_id=team_id, key=key, fingerprint=fingerprint).on_conflict_do_nothing()
    try:
        return session.execute(take.returning(IdempotencyKey.key)).scalar() is not None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise StillRunning(retry_after_seconds=1) from error
        raise


def purge(session: Session) -> None:
    """Forget keys older than seven days."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - KEEP))
