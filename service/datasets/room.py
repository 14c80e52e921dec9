"""Room: how much a team's datasets take, held to what the team may store."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service import quotas, tenants
from service.datasets.models import Dataset
from service.datasets.rules.states import State


def stored_bytes(session: Session, team_id: UUID) -> int:
    """How many bytes the team's datasets have; what is being erased counts no more."""
    owned = (Dataset.team_id == team_id, Dataset.state != State.ARCHIVED)
    return int(session.scalar(select(func.sum(Dataset.bytes)).where(*owned)) or 0)


def check_room(session: Session, team_id: UUID, asked: int) -> None:
    """Raises quotas.StorageLimitReached where so many more bytes would not fit, as things stand."""
    quotas.check_storage(session, tenants.team(session, team_id), used=stored_bytes(session, team_id), asked=asked)


def take_room(session: Session, team_id: UUID, taken: int) -> None:
    """The same for bytes whose row this transaction has just written, however many do so at once.

    Whoever comes second waits here for the first to commit, and then counts its bytes too.
    """
    quotas.lock_storage(session, team_id)
    used = stored_bytes(session, team_id) - taken
    quotas.check_storage(session, tenants.team(session, team_id), used=used, asked=taken)
