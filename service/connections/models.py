"""The table of provider accounts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.connections.rules import TestState
from service.kit.db import Base
from service.kit.work import Kind, Work


class Connection(Base):
    """A provider account. The sealed key is deferred: most roles may not even select it."""

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint("kind IN ('openai', 'azure', 'compatible')", name="kind"),
        CheckConstraint("requests_per_minute > 0", name="requests_per_minute"),
        CheckConstraint("slots >= 0", name="slots"),
        Index("uq_connections_is_default", "is_default", unique=True, postgresql_where=text("is_default")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    provider: Mapped[str] = mapped_column(String(32))
    base_url: Mapped[str] = mapped_column(String(512))
    organisation: Mapped[str | None] = mapped_column(String(128))
    project: Mapped[str | None] = mapped_column(String(128))
    sealed_key: Mapped[bytes] = mapped_column(deferred=True, deferred_raiseload=True)
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    requests_per_minute: Mapped[int | None]  # null: as many as there are
    slots: Mapped[int | None]  # jobs of one base model at a time; null: as many as the provider takes
    sealed_webhook_secret: Mapped[bytes | None] = mapped_column(deferred=True, deferred_raiseload=True)
    sealed_admin_key: Mapped[bytes | None] = mapped_column(deferred=True, deferred_raiseload=True)
    has_admin_key: Mapped[bool] = mapped_column(Computed("sealed_admin_key IS NOT NULL"))  # all that most may know
    paused_reason: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConnectionSlots(Base):
    """How many jobs of one base model an account takes at a time: set by an operator, or learned from a refusal."""

    __tablename__ = "connection_slots"
    __table_args__ = (CheckConstraint("slots >= 0", name="slots"), CheckConstraint("learned > 0", name="learned"))
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    base_model: Mapped[str] = mapped_column(String(128), primary_key=True)
    slots: Mapped[int | None]
    learned: Mapped[int | None]
    learned_at: Mapped[datetime | None]


class ConnectionTest(Work, Base):
    """A test somebody asked for: a worker lists the account's models and writes what came of it."""

    __tablename__ = "connection_tests"
    __table_args__ = (Index("ix_connection_tests_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    code: Mapped[str | None] = mapped_column(String(128))  # why it failed
    message: Mapped[str | None]
    models: Mapped[int | None]
    milliseconds: Mapped[int | None]
    finished_at: Mapped[datetime | None]


class ProviderWebhook(Base):
    """A webhook of the provider that has been taken: it sends them more than once."""

    __tablename__ = "provider_webhooks"
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


TEST: Final = Kind("connections.test", ConnectionTest, frozenset({TestState.WAITING}), queue="following", batch=5)
