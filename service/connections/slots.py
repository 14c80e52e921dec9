"""How many jobs of one base model an account takes at a time: what operators say, and what its refusals teach.

A refusal tells only that there are too many; how many that is, is what we had there at that moment. What was learned is
tried anew, one more after `slots_probe_seconds`, so that an account that was given more is used again by and by.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Float, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.connections.models import Connection, ConnectionSlots


@dataclass(frozen=True, slots=True)
class Slots:
    """What is known of one base model at one account. None: nothing."""

    said: int | None = None  # by operators, of this base model, else of any at this account
    learned: int | None = None
    learned_seconds_ago: float = 0.0

    def limit(self, *, probe_seconds: float) -> int | None:
        """How many at a time, a probe included; None: as many as there are."""
        if self.learned is None:
            return self.said
        probed = self.learned + (self.learned_seconds_ago >= probe_seconds)
        return probed if self.said is None else min(self.said, probed)

    def free(self, held: int, *, probe_seconds: float, pause_seconds: float) -> int | None:
        """How many more may go now. None after a refusal, or into a probe, so that neither is repeated at once."""
        if self.learned is not None and self.learned_seconds_ago < pause_seconds:
            return 0
        limit = self.limit(probe_seconds=probe_seconds)
        return None if limit is None else max(limit - held, 0)


def slots(session_as_worker: Session) -> Callable[[UUID, str], Slots]:
    """What is known of every account, to be asked for by account and base model."""
    age = cast(func.extract("epoch", func.clock_timestamp() - ConnectionSlots.learned_at), Float)
    of_any = {row.id: row.slots for row in session_as_worker.execute(select(Connection.id, Connection.slots))}
    of_one = {
        (row.connection_id, row.base_model): Slots(
            of_any.get(row.connection_id) if row.slots is None else row.slots, row.learned, row.age or 0.0
        )
        for row in session_as_worker.execute(
            select(
                ConnectionSlots.connection_id, ConnectionSlots.base_model, ConnectionSlots.slots,
                ConnectionSlots.learned, age.label("age"),
            )
        )
    }  # fmt: skip
    return lambda account, base_model: of_one.get((account, base_model)) or Slots(of_any.get(account))


def learn_slots(session_as_worker: Session, account: UUID, base_model: str, count: int) -> None:
    """So many at a time is what the account takes of this base model, as far as we know from now on."""
    learned = insert(ConnectionSlots).values(
        connection_id=account, base_model=base_model, learned=max(count, 1), learned_at=func.clock_timestamp()
    )
    session_as_worker.execute(
        learned.on_conflict_do_update(
            index_elements=["connection_id", "base_model"],
            set_={"learned": learned.excluded.learned, "learned_at": learned.excluded.learned_at},
        )
    )
