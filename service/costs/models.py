"""The ledger's table."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class LedgerEntry(Base):
    """An amount that moved from one account to another, with all that explains it as of that day. Append-only.

    `amount` is `quantity` × `unit_price` ÷ `unit_quantity`, in tokens or, of the kind `training_time`, in seconds.
    `ext_ref` is unique over all teams, not within one: whatever else goes wrong, no bill of a provider is booked twice.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("ext_ref"),
        ForeignKeyConstraint(["team_id", "job_id"], ["reservations.team_id", "reservations.job_id"]),
        ForeignKeyConstraint(["team_id", "budget_month"], ["budget_months.team_id", "budget_months.month"]),
        CheckConstraint("debit_account <> credit_account", name="accounts"),
        Index("ix_ledger_entries_charged_at", "charged_at"),
    )
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(32))
    debit_account: Mapped[str] = mapped_column(String(100))
    credit_account: Mapped[str] = mapped_column(String(100))
    amount: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    charged_at: Mapped[datetime]
    budget_month: Mapped[date]
    ext_ref: Mapped[str] = mapped_column(String(200))
    price_id: Mapped[UUID] = mapped_column(ForeignKey("prices.id"))
    unit_price: Mapped[Decimal] = mapped_column(money.column())
    unit_quantity: Mapped[Decimal] = mapped_column(money.column())
    quantity: Mapped[int] = mapped_column(BigInteger)
    base_model: Mapped[str] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(200))
    description: Mapped[str]
    team_slug: Mapped[str] = mapped_column(String(39))
    team_name: Mapped[str] = mapped_column(String(100))
    cost_center: Mapped[str | None] = mapped_column(String(100))
    product: Mapped[str | None] = mapped_column(String(100))
    environment: Mapped[str | None] = mapped_column(String(100))
    accrued: Mapped[bool]
