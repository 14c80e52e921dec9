"""Tables of base models and the price book."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class BaseModel(Base):
    """A snapshot a provider offers or once offered. Without methods it cannot be tuned; dates are the first day off."""

    __tablename__ = "base_models"
    __table_args__ = (CheckConstraint("example_tokens_max >= 0", name="example_tokens_max"),)
    provider: Mapped[str] = mapped_column(String(32), primary_key=True)
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    aliases: Mapped[list[str]] = mapped_column(ARRAY(String(100)))
    methods: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    format: Mapped[str] = mapped_column(String(32))
    vision: Mapped[bool]
    encoding: Mapped[str] = mapped_column(String(32))
    example_tokens_max: Mapped[int]
    trainable_until: Mapped[date | None]
    shutdown_date: Mapped[date | None]
    replacement: Mapped[str | None] = mapped_column(String(100))
    # Where its hyperparameters differ from the usual ones of the method: method → name → bounds.
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")


class Price(Base):
    """What one meter of a model costs from an instant on, until the next row. Append-only: jobs and entries name it.

    `amount` is what we pay; `list_amount` what the provider's public list says, where that is another figure.
    """

    __tablename__ = "prices"
    __table_args__ = (
        UniqueConstraint("provider", "model", "meter", "tier", "effective_from"),
        ForeignKeyConstraint(["provider", "model"], ["base_models.provider", "base_models.id"]),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("list_amount >= 0", name="list_amount"),
        CheckConstraint("unit_quantity > 0", name="unit_quantity"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(100))
    meter: Mapped[str] = mapped_column(String(32))
    unit_quantity: Mapped[Decimal] = mapped_column(money.column())
    amount: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    effective_from: Mapped[datetime]
    tier: Mapped[str] = mapped_column(String(32), server_default="standard")
    list_amount: Mapped[Decimal | None] = mapped_column(money.column())
    created_by: Mapped[str] = mapped_column(String(64), server_default="seed")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
