"""The work engine: rows with work to do are the truth, messages are hints.

A table of work mixes in `Work`. The dispatcher finds due rows (`due`) and hints at them; a worker `claim`s them, which
takes a lease and the next fence; what it then did it writes inside `recording`, which locks the row and refuses a stale
fence. Leases live on the database's clock (`clock_timestamp()`), so no worker's clock can break them. A worker that
dies leaves a lease that lapses; a paused one that wakes finds its fence stale.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    String,
    Uuid,
    and_,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.settings import settings


class Work:
    """The columns of a table of work. `due_at` is null when nothing is to be done; `attention` waits for a person."""

    if TYPE_CHECKING:
        id: Mapped[UUID]  # every table of work has one, each in its own primary key

    state: Mapped[str] = mapped_column(String(32))
    due_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    hinted_at: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0, server_default="0")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    attention: Mapped[str | None]
    attention_since: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work: which rows, in which states, hinted at on which queue in batches of how many."""

    name: str  # the task's name too: "jobs.submit"
    model: Any  # the mapped class
    states: frozenset[str]
    queue: str
    batch: int = 10
    gives_up: bool = False  # its flow does, at the last attempt: these rows never ask for attention themselves


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one row until its lease ends, proved by the fence when recording."""

    id: UUID
    team_id: UUID | None
    fence: int
    attempts: int  # this one included, since the last progress

    @property
    def team(self) -> UUID:
        """The team of a row that belongs to one."""
        if self.team_id is None:
            raise AssertionError(f"work {self.id} belongs to no team")
        return self.team_id


Row = TypeVar("Row", bound=Work)


class StaleClaim(Exception):
    """Somebody else holds the row now: whatever this worker thought it did must not be written."""


def ready(model: Any) -> ColumnElement[bool]:
    """Rows that are due and that nobody works on."""
    now = func.statement_timestamp()  # not clock_timestamp(), which is volatile: no index could find what is due
    return and_(model.due_at <= now, unheld(model))


def unheld(model: Any) -> ColumnElement[bool]:
    """Rows that nobody works on and that wait for no person, due or not."""
    now = func.statement_timestamp()
    return and_(model.attention.is_(None), or_(model.lease_until.is_(None), model.lease_until < now))


def due(session: Session, kind: Kind, *, limit: int) -> Sequence[UUID]:
    """Ids of due rows nobody holds, oldest first, each marked as hinted so that it is not hinted again for a while."""
    model = kind.model
    stale = func.clock_timestamp() - timedelta(seconds=settings().rehint_seconds)
    found = (
        select(model.id)
        .where(ready(model), model.state.in_(kind.states), or_(model.hinted_at.is_(None), model.hinted_at < stale))
        .order_by(model.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = session.scalars(found).all()
    if ids:
        session.execute(
            update(model).where(model.id.in_(ids)).values(hinted_at=func.clock_timestamp()),
            execution_options={"synchronize_session": False},
        )
    return ids


def claim(
    session: Session, kind: Kind, ids: Sequence[UUID], *, seconds: float | None = None, early: bool = False
) -> list[Claim]:
    """Take the lease and the next fence of those of `ids` that are still due and free. Others are simply not returned.

    A row claimed `attempts_max` times without progress is not handed out again: it gets `attention` instead, unless its
    kind `gives_up`. `early` takes rows that will be due later, too.
    """
    model = kind.model
    is_free = and_(model.due_at.is_not(None), unheld(model)) if early else ready(model)
    free = (
        select(model.id)
        .where(model.id.in_(ids), is_free, model.state.in_(kind.states))
        .with_for_update(skip_locked=True)
    )
    columns = [model.id, model.fence, model.attempts]
    if hasattr(model, "team_id"):
        columns.append(model.team_id)
    lease = timedelta(seconds=seconds or settings().lease_seconds)
    rows = session.execute(
        update(model)
        .where(model.id.in_(free))
        .values(lease_until=func.clock_timestamp() + lease, fence=model.fence + 1, attempts=model.attempts + 1)
        .returning(*columns),
        execution_options={"synchronize_session": False},
    ).all()
    claims = [Claim(row.id, getattr(row, "team_id", None), row.fence, row.attempts) for row in rows]
    poisoned = [one.id for one in claims if one.attempts > settings().attempts_max and not kind.gives_up]
    if poisoned:
        session.execute(
            update(model)
            .where(model.id.in_(poisoned))
            .values(
                attention=f"claimed {settings().attempts_max} times without progress",
                attention_since=func.clock_timestamp(),
                lease_until=None,
            ),
            execution_options={"synchronize_session": False},
        )
    return [one for one in claims if one.id not in poisoned]


def recording(session: Session, model: type[Row], claimed: Claim) -> Row:
    """The claimed row, locked, to write into. Raises StaleClaim when the fence has moved on."""
    row = session.scalars(
        select(model).where(model.id == claimed.id, model.fence == claimed.fence).with_for_update()
    ).one_or_none()
    if row is None:
        raise StaleClaim(f"{model.__name__} {claimed.id}: fence {claimed.fence} is stale")
    return row


def renew(session: Session, model: type[Work], claimed: Claim, *, seconds: float | None = None) -> None:
    """Hold the lease for another full length. Raises StaleClaim when it was lost."""
    renew_row(recording(session, model, claimed), seconds=seconds)


def renew_row(row: Work, *, seconds: float | None = None) -> None:
    """The same for a row already locked by `recording`."""
    row.lease_until = _in(seconds or settings().lease_seconds)


def note(session: Session, model: type[Row], claimed: Claim, **noted: Any) -> None:
    """Renew the lease and write these columns, by one statement: cheap enough for every second. Raises StaleClaim."""
    changed: Any = session.execute(
        update(model)
        .where(model.id == claimed.id, model.fence == claimed.fence)
        .values(lease_until=_in(settings().lease_seconds), **noted),
        execution_options={"synchronize_session": False},
    )
    if changed.rowcount == 0:
        raise StaleClaim(f"{model.__name__} {claimed.id}: fence {claimed.fence} is stale")


def proceed(row: Work, *, seconds: float = 0) -> None:
    """There was progress: look again after `seconds` (database clock)."""
    row.due_at = _in(seconds)
    row.attempts = 0
    row.lease_until = row.hinted_at = None


@dataclass(frozen=True, slots=True)
class Untouched:
    """A row as it was read, without a claim: it still is while nobody has claimed it or woken it since."""

    id: UUID
    fence: int
    due_at: datetime


def put_off(session: Session, model: type[Work], pauses: Mapping[Untouched, float]) -> None:
    """Look at each of these again after its own pause (seconds), by one statement for all of them.

    What somebody has claimed or woken meanwhile is left alone.
    """
    if not pauses:
        return
    read = (
        func.unnest(
            literal([one.id for one in pauses], ARRAY(Uuid)),
            literal([one.fence for one in pauses], ARRAY(Integer)),
            literal([one.due_at for one in pauses], ARRAY(DateTime(timezone=True))),
            literal(list(pauses.values()), ARRAY(Double)),
        )
        .table_valued("id", "fence", "due_at", "seconds")
        .render_derived(name="read")
    )
    still = (
        select(model.id, read.c.seconds)
        .join(read, and_(model.id == read.c.id, model.fence == read.c.fence, model.due_at == read.c.due_at))
        .where(unheld(model))
        .with_for_update(of=model, skip_locked=True)
        .cte("still")
    )
    later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, still.c.seconds)
    session.execute(
        update(model).where(model.id == still.c.id).values(due_at=later, attempts=0, hinted_at=None),
        execution_options={"synchronize_session": False},
    )


def mark_hinted(session: Session, model: type[Work], ids: Collection[UUID]) -> None:
    """Somebody is about to claim these: the dispatcher need not hint at them for a while."""
    session.execute(
        update(model).where(model.id.in_(ids)).values(hinted_at=func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


def finish(row: Work) -> None:
    """Nothing more is to be done with this row, by a person neither."""
    row.due_at = row.lease_until = row.hinted_at = None
    row.attention = row.attention_since = None
    row.attempts = 0


def back_off(row: Work, *, seconds: float | None = None, blameless: bool = False) -> None:
    """No progress: try again after `seconds`, or after a pause that grows with the attempts.

    `blameless`: the row is not at fault (a busy lock, a rate limit), so this attempt does not count against it.
    """
    if blameless:
        row.attempts = max(row.attempts - 1, 0)
    row.due_at = _in(backoff_seconds(row.id, row.attempts) if seconds is None else seconds)
    row.lease_until = row.hinted_at = None


def ask_for_attention(row: Work, reason: str) -> None:
    """Stop working on this row until a person settles it (kit/oversight). It keeps its state, money and history."""
    row.attention = reason
    row.attention_since = _in(0)
    row.lease_until = row.hinted_at = None


def wake(row: Work) -> None:
    """Make the row due at once, for example because a user asked for something."""
    row.due_at = _in(0)
    row.hinted_at = None


def wait_until(row: Work, at: datetime) -> None:
    """Nothing is to be done with the row before that instant, by whoever holds it now neither."""
    row.due_at = at
    row.attempts = 0
    row.lease_until = row.hinted_at = None


def backoff_seconds(row_id: UUID, attempts: int) -> float:
    """2^attempts seconds up to the cap, spread by ±20 % so that rows that failed together do not return together."""
    spread = 0.8 + 0.4 * (zlib.crc32(row_id.bytes + attempts.to_bytes(4)) % 1000) / 1000
    return float(min(2 ** min(attempts, 30), settings().backoff_cap_seconds) * spread)


def pause_while_waiting(waited: timedelta) -> float:
    """Seconds until a row that waits for another is looked at again: a quarter of its wait so far, 0.5 to 15."""
    return min(max(0.5, waited.total_seconds() / 4), 15.0)


def _in(seconds: float) -> Any:
    """An instant on the database's clock, as an expression the next flush carries out."""
    return func.clock_timestamp() + timedelta(seconds=seconds)
