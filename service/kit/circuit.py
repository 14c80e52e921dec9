"""Circuits: how an outside service is doing, shared by all processes through Postgres."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base


class Circuit(Base):
    """Closed while `open_until` is null; `tokens` is the bucket of calls that may be made now."""

    __tablename__ = "circuits"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")  # in a row
    open_until: Mapped[datetime | None]
    reason: Mapped[str | None]
    since: Mapped[datetime | None]
    tokens: Mapped[float | None]
    refilled_at: Mapped[datetime | None]
