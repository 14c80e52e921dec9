"""Writing events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.kit.ids import new_id
from service.webhooks.models import Event
from service.webhooks.rules import EventType


def publish(session: Session, team_id: UUID | None, event: EventType, at: datetime, **data: str | int | None) -> None:
    """Tell that something happened, in the transaction in which it did: rolled back, it was never told.

    `data` names the object by its shown id (`id="job_…"`) and says what is new about it; never its content. Without a
    team it is the platform's people's, and needs an operator's unit.
    """
    session.add(Event(id=new_id(), team_id=team_id, type=event, data=data, at=at))
