"""Tables of teams and their keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.db import Base


class Team(Base):
    """Who owns datasets, jobs, models and money. Never deleted: an archived team keeps its history."""

    __tablename__ = "teams"
    __table_args__ = (CheckConstraint("slug ~ '^[a-z][a-z0-9-]{1,38}$'", name="slug"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(39), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    cost_center: Mapped[str | None] = mapped_column(String(100))
    product: Mapped[str | None] = mapped_column(String(100))
    environment: Mapped[str | None] = mapped_column(String(100))
    contact: Mapped[str | None] = mapped_column(String(200))
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    connection_id: Mapped[UUID | None] = mapped_column(ForeignKey("connections.id"))
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Base):
    """A credential. The secret itself is nowhere: only its digest, which just two roles may select, hence deferred."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        CheckConstraint("role IN ('operator', 'finance', 'admin', 'member', 'viewer', 'resolver')", name="role"),
        # A platform key has no team and a team's key is never a platform key.
        CheckConstraint("(team_id IS NULL) = (role IN ('operator', 'finance'))", name="platform_role"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    key_id: Mapped[str] = mapped_column(String(10), unique=True)
    environment: Mapped[str] = mapped_column(String(12))
    digest: Mapped[bytes] = mapped_column(deferred=True, deferred_raiseload=True)
    last4: Mapped[str] = mapped_column(String(4))
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
