"""Periodic work: one row a tick, claimed like any other work, so that many dispatchers share it without a leader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import String, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit import work
from service.kit.db import Base, unit_of_work
from service.kit.errors import Unavailable
from service.kit.identity import SYSTEM
from service.kit.settings import settings
from service.kit.work import Claim, Kind, StaleClaim, Work

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


@contextmanager
def held(claimed: Claim) -> Iterator[None]:
    """Renew the lease of a tick while it runs, however long that takes.

    Else others would run it at the same time, each stale when it ends, until it counts as poison and never runs again.
    """
    over = threading.Event()

    def renew() -> None:
        with suppress(StaleClaim):
            while not over.wait(settings().lease_seconds / 3):
                with suppress(Unavailable), unit_of_work(SYSTEM) as session:
                    work.renew(session, Tick, claimed)

    renewing = threading.Thread(target=renew, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
