"""Tables of the ledger and of its periods."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.kit import money
from service.kit.db import Base

_OF_CORRECTIONS: Final = text("corrects IS NOT NULL")


class LedgerEntry(Base):
    """An amount that moved from one account to another, with all that explains it as of that day. Append-only.

    `amount` is `quantity` × `unit_price` ÷ `unit_quantity`, in tokens or, where the meter counts hours, in seconds; an
    adjustment's is whatever was decided, with its reason. `ext_ref` is unique over all teams, not within one: whatever
    else goes wrong, no bill of a provider is booked twice. Without a team an entry is unallocated, without a
    `budget_month` no team's budget pays it.

    `charged_at` is when the provider did what it bills. `posted_on` (UTC) is the day it counts in every report: the
    same day, unless that one's month is closed; a trigger refuses it there. `seq` numbers entries as they are written.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        UniqueConstraint("ext_ref"),
        UniqueConstraint("seq"),
        ForeignKeyConstraint(["team_id", "job_id"], ["reservations.team_id", "reservations.job_id"]),
        ForeignKeyConstraint(["team_id", "budget_month"], ["budget_months.team_id", "budget_months.month"]),
        ForeignKeyConstraint(["team_id", "corrects"], ["ledger_entries.team_id", "ledger_entries.id"]),
        CheckConstraint("debit_account <> credit_account", name="accounts"),
        CheckConstraint("kind IN ('training', 'inference', 'adjustment')", name="kind"),
        CheckConstraint("kind = 'adjustment' OR price_id IS NOT NULL", name="priced"),
        Index("ix_ledger_entries_posted_on", "posted_on", "id"),
        Index("ix_ledger_entries_team_id_posted_on", "team_id", "posted_on", "id"),
        Index("ix_ledger_entries_job_id", "job_id"),
        Index("ix_ledger_entries_model", "model", postgresql_where=text("model IS NOT NULL")),
        Index("ix_ledger_entries_recorded_at", "recorded_at", postgresql_using="brin"),
        Index("ix_ledger_entries_corrects", "corrects", postgresql_where=_OF_CORRECTIONS),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    job_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(32))
    meter: Mapped[str] = mapped_column(String(32))
    debit_account: Mapped[str] = mapped_column(String(100))
    credit_account: Mapped[str] = mapped_column(String(100))
    amount: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    charged_at: Mapped[datetime]
    posted_on: Mapped[date]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    budget_month: Mapped[date | None]
    ext_ref: Mapped[str] = mapped_column(String(200))
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id"))
    unit_price: Mapped[Decimal | None] = mapped_column(money.column())
    list_unit_price: Mapped[Decimal | None] = mapped_column(money.column())  # where it differs from ours
    unit_quantity: Mapped[Decimal | None] = mapped_column(money.column())
    quantity: Mapped[int] = mapped_column(BigInteger)
    estimated: Mapped[Decimal] = mapped_column(money.column(), server_default="0")  # what had been held for it
    accrued: Mapped[bool]  # the amount was worked out by us, not told by the provider
    provider: Mapped[str] = mapped_column(String(32))
    connection_id: Mapped[UUID | None] = mapped_column(ForeignKey("connections.id"))
    provider_job_id: Mapped[str | None] = mapped_column(String(128))
    base_model: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(200))
    version_id: Mapped[UUID | None]
    description: Mapped[str]
    corrects: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(String(500))
    booked_by: Mapped[str] = mapped_column(String(64), server_default="worker")
    team_slug: Mapped[str | None] = mapped_column(String(39))
    team_name: Mapped[str | None] = mapped_column(String(100))
    cost_center: Mapped[str | None] = mapped_column(String(100))
    product: Mapped[str | None] = mapped_column(String(100))
    environment: Mapped[str | None] = mapped_column(String(100))


class BillingPeriod(Base):
    """A calendar month in UTC that was closed once. `revision` counts the closings.

    The books are closed through the latest month that is: whatever lies before it is closed with it, row or no row.
    """

    __tablename__ = "billing_periods"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'closed')", name="state"),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
    )
    month: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    revision: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None] = mapped_column(String(500))  # of the last reopening
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime]


class PeriodSeal(Base):
    """What a month held when it was closed: a chain of hashes over its entries, from the month before. Append-only."""

    __tablename__ = "period_seals"
    month: Mapped[date] = mapped_column(ForeignKey("billing_periods.month"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[Decimal] = mapped_column(money.column())
    currency: Mapped[str] = mapped_column(String(3))
    through_seq: Mapped[int] = mapped_column(BigInteger)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_by: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[datetime]


class SealedDay(Base):
    """What a closed month held on one of its days, to tell which entry it is that differs. Append-only.

    `leaves` has 32 bytes for each entry, in the order of the chain: its id, and as much of its digest.
    """

    __tablename__ = "sealed_days"
    __table_args__ = (ForeignKeyConstraint(["month", "revision"], ["period_seals.month", "period_seals.revision"]),)
    month: Mapped[date] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    entries: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[Decimal] = mapped_column(money.column())
    leaves: Mapped[bytes] = mapped_column(LargeBinary)


ROLLUP_KEYS: Final = (
    "team_id", "team_slug", "cost_center", "product", "environment", "provider", "base_model", "meter",
)  # fmt: skip
ROLLUP_SUMS: Final = ("entries", "estimated", "accrued", "settled", "adjusted", "quantity")
"""`entries` counts; `quantity` is trained tokens, and 0 for every other meter."""


def _sums(name: str, grain: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("team_id", Uuid, ForeignKey("teams.id")),
        Column(grain, Date, nullable=False),
        Column("team_slug", String(39)),
        Column("cost_center", String(100)),
        Column("product", String(100)),
        Column("environment", String(100)),
        Column("provider", String(32), nullable=False),
        Column("base_model", String(100)),
        Column("meter", String(32), nullable=False),
        Column("entries", BigInteger, nullable=False),
        *(Column(measure, Numeric(28, 10), nullable=False) for measure in ROLLUP_SUMS[1:-1]),
        Column("quantity", BigInteger, nullable=False),
        UniqueConstraint("team_id", grain, *ROLLUP_KEYS[1:], name=f"uq_{name}_key", postgresql_nulls_not_distinct=True),
    )


COST_DAYS: Final = _sums("cost_days", "day")
COST_MONTHS: Final = _sums("cost_months", "month")
"""The ledger up to `CostRollup.through_seq`, added up by the day, and the first day of the month, it counts in."""


class CostRollup(Base):
    """Up to which entry the sums reach: one row, whose lock is the right to change them."""

    __tablename__ = "cost_rollup"
    __table_args__ = (CheckConstraint("id = 1", name="id"),)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    through_seq: Mapped[int] = mapped_column(BigInteger)
    folded_at: Mapped[datetime | None]
