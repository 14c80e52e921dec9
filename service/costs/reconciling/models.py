"""Tables of what providers bill and of how it compares."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class ProviderCost(Base):
    """A line of a provider's bill of one day (UTC), as it was told last. An empty name is one the provider tells not.

    `amount` is rounded to the ledger's ten places: what a float adds beyond them is noise.
    """

    __tablename__ = "provider_costs"
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(String(128), primary_key=True)
    api_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    line_item: Mapped[str] = mapped_column(String(200), primary_key=True)
    amount: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    quantity: Mapped[Decimal | None] = mapped_column(Numeric(24, 10))
    quantity_unit: Mapped[str | None] = mapped_column(String(128))
    read_at: Mapped[datetime]


class Reconciliation(Base):
    """One day of one account. `billed` and `booked` are what is compared, `outside` what is billed for other things."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        UniqueConstraint("connection_id", "day"),
        CheckConstraint("state IN ('matched', 'timing', 'mismatch')", name="state"),
        Index("ix_reconciliations_day", "day"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    provider: Mapped[str] = mapped_column(String(32))
    day: Mapped[date]
    state: Mapped[str] = mapped_column(String(8))
    billed: Mapped[Decimal] = mapped_column(money.column())
    booked: Mapped[Decimal] = mapped_column(money.column())
    outside: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    read_at: Mapped[datetime]
    checked_at: Mapped[datetime]


class Finding(Base):
    """A difference of one day with its cause. `amount` is what was billed beyond the ledger; `adjusted` what is booked.

    `pending` is an adjustment under way: its entry may be there or not, `revision` names it. A difference that is gone
    keeps its row, with nothing in it.
    """

    __tablename__ = "reconciliation_findings"
    __table_args__ = (
        UniqueConstraint(
            "reconciliation_id", "cause", "project", "api_key", "line_item", name="uq_reconciliation_findings_line"
        ),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    reconciliation_id: Mapped[UUID] = mapped_column(ForeignKey("reconciliations.id"))
    cause: Mapped[str] = mapped_column(String(32))
    project: Mapped[str] = mapped_column(String(128))
    api_key: Mapped[str] = mapped_column(String(128))
    line_item: Mapped[str] = mapped_column(String(200))
    base_model: Mapped[str | None] = mapped_column(String(100))
    meter: Mapped[str | None] = mapped_column(String(32))
    billed: Mapped[Decimal] = mapped_column(money.column())
    booked: Mapped[Decimal] = mapped_column(money.column())
    amount: Mapped[Decimal] = mapped_column(money.column())
    adjusted: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    pending: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    revision: Mapped[int] = mapped_column(server_default="0")
    corrects: Mapped[UUID | None]  # the entry it is about, where it is about one
    detail: Mapped[str]
    is_there: Mapped[bool] = mapped_column(server_default=text("true"))
    told_at: Mapped[datetime | None]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
