"""Tables of usage, of those it belongs to, and of what was last read of each account."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class OwnedModel(Base):
    """A tuned model and the team whose job made it. `version_id` is its version in the registry, where it is one."""

    __tablename__ = "owned_models"
    __table_args__ = (Index("ix_owned_models_model", "model"),)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    connection_id: Mapped[UUID | None] = mapped_column(ForeignKey("connections.id"))
    base_model: Mapped[str] = mapped_column(String(255))
    version_id: Mapped[UUID | None]
    owned_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UsageOwner(Base):
    """The team that a key or a whole project of the provider belongs to, as operators and finance say."""

    __tablename__ = "usage_owners"
    __table_args__ = (
        UniqueConstraint("connection_id", "kind", "external_id"),
        CheckConstraint("kind IN ('project', 'api_key')", name="kind"),
        Index("ix_usage_owners_team_id", "team_id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    kind: Mapped[str] = mapped_column(String(8))
    external_id: Mapped[str] = mapped_column(String(128))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UsageDay(Base):
    """What one key used of one tuned model on one day (UTC) by one meter, and how much of it is in the ledger.

    `quantity` is all the provider has told of by now, `booked` what entries were written for, of `amount` in all;
    `revision` counts them. Without a team it is nobody's. An empty project, key or tier's name is one the provider does
    not tell. `requests` are counted once, with the input.
    """

    __tablename__ = "usage_days"
    __table_args__ = (
        UniqueConstraint(
            "connection_id", "day", "project", "api_key", "model", "tier", "meter", name="uq_usage_days_line"
        ),
        CheckConstraint("quantity >= 0", name="quantity"),
        Index("ix_usage_days_team_id", "team_id", "id"),
        Index("ix_usage_days_model", "model", "day"),
        Index("ix_usage_days_unbooked", "id", postgresql_where=text("quantity <> booked")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    provider: Mapped[str] = mapped_column(String(32))
    day: Mapped[date]
    project: Mapped[str] = mapped_column(String(128))
    api_key: Mapped[str] = mapped_column(String(128))
    model: Mapped[str] = mapped_column(String(255))
    base_model: Mapped[str] = mapped_column(String(100))
    tier: Mapped[str] = mapped_column(String(32))
    meter: Mapped[str] = mapped_column(String(32))
    requests: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)
    booked: Mapped[int] = mapped_column(BigInteger, server_default="0")
    amount: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    revision: Mapped[int] = mapped_column(server_default="0")
    is_unpriced: Mapped[bool] = mapped_column(server_default=text("false"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    owner: Mapped[str] = mapped_column(String(8))  # why it is theirs: rules.Owner
    version_id: Mapped[UUID | None]
    read_at: Mapped[datetime]


class ProviderReading(Base):
    """What was last read of an account's usage or costs: the days before `through`, at `read_at`; or why it was not."""

    __tablename__ = "provider_readings"
    __table_args__ = (CheckConstraint("what IN ('usage', 'costs')", name="what"),)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(8), primary_key=True)
    asked_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    through: Mapped[date | None]
    newest_day: Mapped[date | None]  # the last with anything in it: how far the provider has come
    failure: Mapped[str | None] = mapped_column(String(32))
    message: Mapped[str | None]
