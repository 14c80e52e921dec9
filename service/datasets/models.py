"""The tables of datasets, and of the ranges in which large ones are read."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.datasets.rules.states import UNDER_WAY, PreparationState, RangeState, State
from service.kit.db import Base
from service.kit.work import Kind, Work

LIVE: Final = text("state <> 'archived'")
LIVE_AND_POSTED: Final = text("recipe IS NULL AND state <> 'archived'")


class Reading:
    """How far the reading under way has come; what a worker notes while it renews its lease."""

    read_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    read_lines: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class Dataset(Reading, Work, Base):
    """A training file and what reading it found. The bytes lie in storage; the same bytes are one dataset of a team."""

    __tablename__ = "datasets"
    __table_args__ = (
        UniqueConstraint("team_id", "id"),
        # The same bytes posted twice are one dataset. A part is known by what it is made of and how instead: asked for
        # again it must be found before it has any bytes, and two cuts may well bring the same.
        # What is being erased, or is, counts no more: its bytes may come again, and are another dataset then.
        Index(
            "uq_datasets_team_id_parent_id_recipe", "team_id", "parent_id", "recipe", unique=True, postgresql_where=LIVE
        ),
        Index("uq_datasets_team_id_sha256", "team_id", "sha256", unique=True, postgresql_where=LIVE_AND_POSTED),
        CheckConstraint("bytes > 0", name="bytes"),
        CheckConstraint("(sha256 IS NOT NULL AND bytes IS NOT NULL) OR recipe IS NOT NULL", name="made"),
        ForeignKeyConstraint(["team_id", "parent_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_datasets_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(100))
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str | None] = mapped_column(String(64))
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    storage_key: Mapped[str] = mapped_column(String(255))
    # A hash for each segment of the bytes; none in datasets of earlier releases.
    segments: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    parent_id: Mapped[UUID | None]  # what it is a part of, cut out by `recipe`; bytes and hash come with the making
    recipe: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    system: Mapped[str | None] = mapped_column(Text)  # whose hash the recipe has; too long to be found by
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # Validation under way: since when, and what every range of a large file is asked (rules/partial.py).
    read_since: Mapped[datetime | None]
    question: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    # What validation found. The columns but `report` are what lists and jobs need of it.
    validated_at: Mapped[datetime | None]
    format: Mapped[str | None] = mapped_column(String(32))
    examples: Mapped[int | None]
    errors: Mapped[int | None]
    warnings: Mapped[int | None]
    billing: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    # Where to find things: [byte, first line that starts there or later] of about each MiB, and the objects with all
    # problems, as [name, lines before].
    marks: Mapped[list[list[int]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    problem_parts: Mapped[list[list[Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    sketch: Mapped[Any] = mapped_column(LargeBinary, nullable=True, deferred=True)  # finds leakage from other datasets
    erase_requested_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]  # its bytes and all copies are gone


class Hold(Base):
    """Somebody needs a dataset: a job under way, or a copy of it elsewhere, which has to go first (holds.py)."""

    __tablename__ = "dataset_holds"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_dataset_holds_dataset_id", "team_id", "dataset_id"),
    )
    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(String(64), primary_key=True)  # job:<uuid> | copy:<uuid>
    dataset_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DatasetRange(Reading, Work, Base):
    """A segment of a large dataset's bytes, read by whichever worker claims it; what it found lies in storage."""

    __tablename__ = "dataset_ranges"
    __table_args__ = (
        UniqueConstraint("team_id", "dataset_id", "number"),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_dataset_ranges_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    dataset_id: Mapped[UUID]
    number: Mapped[int]  # from 0, in the file's order
    start: Mapped[int] = mapped_column(BigInteger)
    stop: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class Preparation(Reading, Work, Base):
    """A file examined for what would make examples of it. The same wish for the same dataset is the same row."""

    __tablename__ = "preparations"
    __table_args__ = (
        UniqueConstraint("team_id", "dataset_id", "wish"),
        ForeignKeyConstraint(["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"]),
        Index("ix_preparations_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    dataset_id: Mapped[UUID]
    wish: Mapped[dict[str, Any]] = mapped_column(JSONB)  # what for, which columns and sheet, the hash of `system`
    system: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    findings: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))  # why it is refused


PREPARE: Final = Kind("datasets.prepare", Preparation, frozenset({PreparationState.READING}), queue="datasets", batch=1)
# One row a message: a large file takes a minute, and a batch's other rows should go to other workers meanwhile.
VALIDATE: Final = Kind("datasets.validate", Dataset, UNDER_WAY, queue="datasets", batch=1)
READ_RANGE: Final = Kind(
    "datasets.read_range", DatasetRange, frozenset({RangeState.WAITING}), queue="datasets", batch=1, gives_up=True
)
ERASE: Final = Kind("datasets.erase", Dataset, frozenset({State.ARCHIVED}), queue="datasets", batch=10)
