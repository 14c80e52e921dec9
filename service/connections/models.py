"""The table of provider accounts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base


class Connection(Base):
    """A provider account. The sealed key is deferred: most roles may not even select it."""

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint("kind IN ('openai', 'azure', 'compatible')", name="kind"),
        Index("uq_connections_is_default", "is_default", unique=True, postgresql_where=text("is_default")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    provider: Mapped[str] = mapped_column(String(32))
    base_url: Mapped[str] = mapped_column(String(512))
    organisation: Mapped[str | None] = mapped_column(String(128))
    project: Mapped[str | None] = mapped_column(String(128))
    sealed_key: Mapped[bytes] = mapped_column(deferred=True, deferred_raiseload=True)
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    paused_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
