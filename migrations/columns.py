"""Columns that many tables share, so that a migration reads as what is special about its table."""

import sqlalchemy as sa

_INSTANT = sa.DateTime(timezone=True)


def instant(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    """A point in time, in UTC."""
    return sa.Column(name, _INSTANT, nullable=nullable)


def created_at() -> "sa.Column[object]":
    """When the row was written, by the database's clock."""
    return sa.Column("created_at", _INSTANT, nullable=False, server_default=sa.text("now()"))


def money(name: str, *, nullable: bool = False, default: str | None = None) -> "sa.Column[object]":
    """An amount or price: exact, ten places."""
    return sa.Column(name, sa.Numeric(20, 10), nullable=nullable, server_default=default)


def work_columns() -> list["sa.Column[object]"]:
    """The columns of service/kit/work.py."""
    return [
        sa.Column("state", sa.String(32), nullable=False),
        instant("due_at"),
        instant("lease_until"),
        instant("hinted_at"),
        sa.Column("fence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("attention", sa.String(), nullable=True),
        instant("attention_since"),
    ]
