"""The outbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base


class Event(Base):
    """Something that happened to a team's object, or without a team to the platform's.

    Append-only; what became of its delivery will be rows of its own.
    """

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("team_id", "id"), Index("ix_events_team_id_type_id", "team_id", "type", "id"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime]
