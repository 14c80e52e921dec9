"""Tables of limits and of what is held against them.

Two equations hold after every transaction: `reserved` is the sum of the month's held reservations, `spent` the sum
of the month's ledger entries.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class Budget(Base):
    """A team's standing limit: what each new month starts with."""

    __tablename__ = "budgets"
    __table_args__ = (CheckConstraint("monthly_limit >= 0", name="monthly_limit"),)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    monthly_limit: Mapped[Decimal] = mapped_column(money.column())


class BudgetMonth(Base):
    """A calendar month in the team's time zone. No check against the limit: it may be lowered below `spent`."""

    __tablename__ = "budget_months"
    __table_args__ = (
        CheckConstraint("limit_amount >= 0", name="limit_amount"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("spent >= 0", name="spent"),
    )
    team_id: Mapped[UUID] = mapped_column(ForeignKey("budgets.team_id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    limit_amount: Mapped[Decimal] = mapped_column(money.column())
    reserved: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    spent: Mapped[Decimal] = mapped_column(money.column(), server_default="0")


class Reservation(Base):
    """Money held for one job, and what became of it. `overrun`: more was billed than was held at that moment."""

    __tablename__ = "reservations"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "month"], ["budget_months.team_id", "budget_months.month"]),
        CheckConstraint("state IN ('held', 'settled', 'released')", name="state"),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("settled_amount >= 0", name="settled_amount"),
        Index("ix_reservations_held", "team_id", "month", postgresql_where=text("state = 'held'")),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    team_slug: Mapped[str] = mapped_column(String(39))
    month: Mapped[date]
    base_model: Mapped[str] = mapped_column(String(100))
    amount: Mapped[Decimal] = mapped_column(money.column())
    state: Mapped[str] = mapped_column(String(16), server_default="held")
    settled_amount: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    overrun: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class PlatformLimits(Base):
    """What holds for every team that has nothing else set: one row."""

    __tablename__ = "platform_limits"
    __table_args__ = (CheckConstraint("id = 1", name="id"),)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    limits: Mapped[dict[str, Any]] = mapped_column(JSONB)


class TeamLimits(Base):
    """What is set for one team; what is absent is inherited."""

    __tablename__ = "team_limits"
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    limits: Mapped[dict[str, Any]] = mapped_column(JSONB)


class JobDay(Base):
    """Jobs a team has submitted on one day of its own clocks."""

    __tablename__ = "job_days"
    __table_args__ = (CheckConstraint("jobs >= 0", name="jobs"),)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    jobs: Mapped[int]
