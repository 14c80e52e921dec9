"""Tables of limits and of what is held against them.

Four equations hold after every transaction, for each team and month: `reserved` is the sum of the held reservations,
`spent` of the ledger's entries, `tokens_reserved` and `tokens_spent` are the same of tokens.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base


class PlatformBudget(Base):
    """What holds for every team that has nothing else set: one row."""

    __tablename__ = "platform_budget"
    __table_args__ = (CheckConstraint("id = 1", name="id"),)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Budget(Base):
    """What is set for one team's months; what is absent is inherited."""

    __tablename__ = "budgets"
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)


class BudgetMonth(Base):
    """A calendar month in the team's time zone, and what its limit is made of. Null is unlimited.

    `carried` came from the month before, whose `carried_out` it is; `granted` was asked for and approved, and is to be
    looked at again before anything is taken from it from `grants_until` on. No check against the limit: it may be
    lowered below `spent`; and none of `spent`, which a correction may bring below zero.
    """

    __tablename__ = "budget_months"
    __table_args__ = (
        CheckConstraint("base_amount >= 0", name="base_amount"),
        CheckConstraint("carried >= 0 AND carried_out >= 0", name="carried"),
        CheckConstraint("granted >= 0", name="granted"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("tokens_reserved >= 0 AND tokens_spent >= 0", name="tokens"),
    )
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    base_amount: Mapped[Decimal | None] = mapped_column(money.column())
    carried: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    granted: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    grants_until: Mapped[datetime | None]
    limit_amount: Mapped[Decimal | None] = mapped_column(money.column(), Computed("base_amount + carried + granted"))
    carried_out: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    reserved: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    spent: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    tokens_reserved: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tokens_spent: Mapped[int] = mapped_column(BigInteger, server_default="0")


class BudgetAlert(Base):
    """A share of a month's limit that was told to be spent: once. Append-only."""

    __tablename__ = "budget_alerts"
    __table_args__ = (ForeignKeyConstraint(["team_id", "month"], ["budget_months.team_id", "budget_months.month"]),)
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    percent: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    limit_amount: Mapped[Decimal] = mapped_column(money.column())
    spent: Mapped[Decimal] = mapped_column(money.column())
    told_at: Mapped[datetime]


class BudgetRequest(Base):
    """More money asked for, and what became of it. Approved it is a grant in one month, until `granted_until`.

    A pending one counts as expired from `expires_at` on, whoever looks. `taken_back_at` says that the month's `granted`
    does not hold it any more.
    """

    __tablename__ = "budget_requests"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "month"], ["budget_months.team_id", "budget_months.month"]),
        CheckConstraint("state IN ('pending', 'approved', 'declined', 'withdrawn')", name="state"),
        CheckConstraint("amount > 0 AND granted_amount > 0", name="amount"),
        CheckConstraint("(state = 'approved') = (granted_amount IS NOT NULL)", name="granted"),
        Index("ix_budget_requests_team_id", "team_id", "id"),
        Index(
            "ix_budget_requests_granted",
            "team_id",
            "month",
            postgresql_where=text("state = 'approved' AND taken_back_at IS NULL"),
        ),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    team_slug: Mapped[str] = mapped_column(String(39))
    amount: Mapped[Decimal] = mapped_column(money.column())
    reason: Mapped[str] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(16), server_default="pending")
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(String(500))
    month: Mapped[date | None]
    granted_amount: Mapped[Decimal | None] = mapped_column(money.column())
    granted_until: Mapped[datetime | None]
    taken_back_at: Mapped[datetime | None]


class Reservation(Base):
    """Money and tokens held for one job, and what became of them.

    `overrun`: more was billed than was held at that moment.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "month"], ["budget_months.team_id", "budget_months.month"]),
        CheckConstraint("state IN ('held', 'settled', 'released')", name="state"),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("settled_amount >= 0", name="settled_amount"),
        CheckConstraint("tokens >= 0 AND settled_tokens >= 0", name="tokens"),
        Index("ix_reservations_held", "team_id", "month", postgresql_where=text("state = 'held'")),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    team_slug: Mapped[str] = mapped_column(String(39))
    month: Mapped[date]
    base_model: Mapped[str] = mapped_column(String(100))
    amount: Mapped[Decimal] = mapped_column(money.column())
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    state: Mapped[str] = mapped_column(String(16), server_default="held")
    settled_amount: Mapped[Decimal] = mapped_column(money.column(), server_default="0")
    settled_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
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
