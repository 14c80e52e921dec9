"""Periodic work: one row a tick, claimed like any other work, so that many dispatchers share it without a leader."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import String, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.db import Base
from service.kit.work import Kind, Work

_NAMESPACE = UUID("6f2f7f3c-7a3e-4c55-9f0e-5d1d6c1f2a10")


class Tick(Work, Base):
    """`every_seconds` after its last run a tick is due again."""

    __tablename__ = "ticks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    every_seconds: Mapped[float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What `workers/schedule.py` lists: a task and how often it runs."""

    name: str
    every_seconds: float


KIND = Kind("ticks.run", Tick, frozenset({"waiting"}), queue="ticks", batch=5)


def install(session: Session, schedule: list[Schedule]) -> None:
    """Bring the rows in line with the schedule: new ticks are due at once, changed ones keep their next time."""
    for entry in schedule:
        row = {"id": uuid5(_NAMESPACE, entry.name), "name": entry.name, "every_seconds": entry.every_seconds}
        statement = insert(Tick).values(**row, state="waiting", due_at=func.clock_timestamp())
        session.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_={"every_seconds": entry.every_seconds})
        )
