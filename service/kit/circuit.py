"""Circuits: how an outside service is doing, known to all processes through Postgres, on its clock.

    circuit.enter(name)                                    # raises CircuitOpen: nobody calls now
    ... the call ...
    circuit.succeeded(name) or circuit.failed(name, why) or circuit.open(name, why, seconds)

A circuit is closed while calls are made. `circuit_failures` failures in a row open it for a pause. When that is over,
exactly one caller of all processes is let through on trial: its success closes the circuit, its failure opens it for
twice as long. What ends while the circuit is open began before that, and says nothing new.

Noting an outcome never raises: the answer it is about must not be lost because Postgres hiccuped.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from sqlalchemy import ColumnElement, Float, String, case, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit import clock, logs
from service.kit.db import Base, unit_of_work
from service.kit.identity import WORKER
from service.kit.settings import settings

log = logs.get(__name__)

_TRUSTED_SECONDS: Final = 1.0  # a circuit seen closed is taken for closed, so that a healthy service costs no query
_TRIAL_LOOK_SECONDS: Final = 2.0  # somebody else is on trial: come back then
_PACE_WAIT_SECONDS: Final = 2.0
_WITHOUT_A_SESSION: Final = {"synchronize_session": False}

Told = ParamSpec("Told")

_trusted: dict[str, float] = {}  # name → until when, on the monotonic clock


class Circuit(Base):
    """Closed while `open_until` is null; `tokens` is the bucket of calls that may be made now."""

    __tablename__ = "circuits"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")  # in a row
    open_until: Mapped[datetime | None]  # past, but not null: on trial
    reason: Mapped[str | None]
    since: Mapped[datetime | None]
    trial_until: Mapped[datetime | None]  # a trial that has not ended by then is given to somebody else
    tokens: Mapped[float | None]
    refilled_at: Mapped[datetime | None]


class CircuitOpen(Exception):
    """No call is to be made now; ask again after `retry_after_seconds`."""

    def __init__(self, reason: str, *, retry_after_seconds: float) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_seconds = reason, retry_after_seconds


@dataclass(frozen=True, slots=True)
class Opening:
    """A circuit that is not closed. From `until` on one caller at a time tries."""

    name: str
    reason: str
    since: datetime
    until: datetime


def enter(name: str) -> bool:
    """Ask whether a call may be made; true for the trial. Raises CircuitOpen, or Unavailable where nobody knows."""
    if _trusted.get(name, 0.0) > clock.monotonic():
        return False
    _trusted.pop(name, None)
    left = func.extract("epoch", Circuit.open_until - func.clock_timestamp())
    with unit_of_work(WORKER) as session:
        row = session.execute(
            select(Circuit.failures, Circuit.reason, cast(left, Float).label("left")).where(Circuit.name == name)
        ).one_or_none()
        if row is not None and row.left is not None:
            if row.left > 0:
                raise CircuitOpen(row.reason or "", retry_after_seconds=row.left)
            if not _take_trial(session, name):
                raise CircuitOpen(row.reason or "", retry_after_seconds=_TRIAL_LOOK_SECONDS)
            return True
        if row is None or row.failures == 0:
            _trusted[name] = clock.monotonic() + _TRUSTED_SECONDS
    return False


def _take_trial(session: Session, name: str) -> bool:
    """Whether we are the one. Whoever dies on trial holds it no longer than a call may last."""
    now, lasts = func.clock_timestamp(), timedelta(seconds=settings().provider_timeout_seconds * 7 / 6)
    taken = session.execute(
        update(Circuit)
        .where(
            Circuit.name == name,
            Circuit.open_until <= now,
            or_(Circuit.trial_until.is_(None), Circuit.trial_until <= now),
        )
        .values(trial_until=now + lasts)
        .returning(Circuit.name),
        execution_options=_WITHOUT_A_SESSION,
    )
    return taken.one_or_none() is not None


def _never_raises(note: Callable[Concatenate[str, Told], None]) -> Callable[Concatenate[str, Told], None]:
    @wraps(note)
    def noting(name: str, /, *told: Told.args, **named: Told.kwargs) -> None:
        try:
            note(name, *told, **named)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer counts for more
            log.warning("circuit.not_noted", circuit=name, reason=f"{type(error).__name__}: {error}")

    return noting


@_never_raises
def succeeded(name: str) -> None:
    """The service answered. Costs nothing where it always did."""
    if name in _trusted:
        return
    with unit_of_work(WORKER) as session:
        session.execute(
            update(Circuit)
            .where(Circuit.name == name, _is_not_open(), or_(Circuit.failures > 0, Circuit.open_until.is_not(None)))
            .values(_CLOSED),
            execution_options=_WITHOUT_A_SESSION,
        )


@_never_raises
def failed(name: str, reason: str) -> None:
    """There was no answer, or one that says the service is unwell."""
    _trusted.pop(name, None)
    now, failures, most = func.clock_timestamp(), Circuit.failures + 1, settings().circuit_failures
    doubled = settings().circuit_seconds * func.power(2.0, func.least(func.greatest(failures - most, 0), 30))
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads the trials of many circuits
    pause = func.make_interval(0, 0, 0, 0, 0, 0, func.least(doubled, settings().backoff_cap_seconds) * jitter)
    opens = or_(Circuit.open_until.is_not(None), failures >= most)
    with unit_of_work(WORKER) as session:
        _ensure(session, name)
        opened = session.scalar(
            update(Circuit)
            .where(Circuit.name == name, _is_not_open())
            .values(
                failures=failures,
                open_until=case((opens, now + pause)),
                reason=case((opens, reason)),
                since=case((opens, func.coalesce(Circuit.since, now))),
                trial_until=None,
            )
            .returning(Circuit.open_until),
            execution_options=_WITHOUT_A_SESSION,
        )
    if opened:
        log.error("circuit.opened", circuit=name, reason=reason, until=opened.isoformat())


@_never_raises
def withdrew(name: str) -> None:
    """Whoever was on trial has not called: somebody else may be."""
    with unit_of_work(WORKER) as session:
        session.execute(
            update(Circuit).where(Circuit.name == name, Circuit.trial_until.is_not(None)).values(trial_until=None),
            execution_options=_WITHOUT_A_SESSION,
        )


@_never_raises
def open(name: str, reason: str, seconds: float) -> None:  # noqa: A001 - circuit.open() is what one says
    """The service itself says that no more calls are wanted for so long. A longer pause that runs already stays."""
    _trusted.pop(name, None)
    now = func.clock_timestamp()
    until = now + timedelta(seconds=seconds)
    with unit_of_work(WORKER) as session:
        _ensure(session, name)
        opened = session.scalar(
            update(Circuit)
            .where(Circuit.name == name, or_(Circuit.open_until.is_(None), Circuit.open_until < until))
            .values(open_until=until, reason=reason, since=func.coalesce(Circuit.since, now), trial_until=None)
            .returning(Circuit.open_until),
            execution_options=_WITHOUT_A_SESSION,
        )
    if opened:
        log.error("circuit.opened", circuit=name, reason=reason, until=opened.isoformat())


def close(session: Session, names: Sequence[str]) -> None:
    """A person says that all is well again, whatever was noted."""
    session.execute(
        update(Circuit).where(Circuit.name.in_(names)).values(_CLOSED), execution_options=_WITHOUT_A_SESSION
    )


def openings(session: Session, *, like: str = "%", also_on_trial: bool = False) -> list[Opening]:
    """The circuits that are open, by a pattern of LIKE, and if asked those whose pause is over but not proven well."""
    columns = (Circuit.name, Circuit.reason, Circuit.since, Circuit.open_until)
    is_open = Circuit.open_until.is_not(None) if also_on_trial else Circuit.open_until > func.clock_timestamp()
    rows = session.execute(select(*columns).where(Circuit.name.like(like), is_open).order_by(Circuit.name))
    return [Opening(row.name, row.reason or "", row.since, row.open_until) for row in rows]


def pace(name: str, per_minute: int) -> None:
    """Take a place among `per_minute` calls, waiting for it up to two seconds.

    A quarter may be made at once and the others evenly, so that no minute has more. Raises CircuitOpen, or Unavailable.
    """
    burst = max(1.0, per_minute / 4)
    per_second = max(per_minute - burst, 0.5) / 60
    now = func.clock_timestamp()
    elapsed = func.greatest(cast(func.extract("epoch", now - Circuit.refilled_at), Float), 0.0)  # null at first: 0
    filled = func.least(func.coalesce(Circuit.tokens, burst) + elapsed * per_second, burst, type_=Float())
    place = (
        insert(Circuit)
        .values(name=name, tokens=burst - 1, refilled_at=now)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"tokens": filled - 1, "refilled_at": now},
            where=filled - 1 >= -per_second * _PACE_WAIT_SECONDS,  # whoever waits has its place taken already
        )
        .returning(Circuit.tokens)
    )
    with unit_of_work(WORKER) as session:
        left = session.scalar(place)
        if left is None:
            there = session.scalars(select(filled).where(Circuit.name == name)).one()
            raise CircuitOpen(
                f"at most {per_minute} requests a minute", retry_after_seconds=max(1 - there, 0.0) / per_second
            )
    if left < 0:
        threading.Event().wait(-left / per_second)


_CLOSED: Final[dict[Any, Any]] = {
    Circuit.failures: 0, Circuit.open_until: None, Circuit.reason: None, Circuit.since: None, Circuit.trial_until: None
}  # fmt: skip


def _is_not_open() -> ColumnElement[bool]:
    return or_(Circuit.open_until.is_(None), Circuit.open_until <= func.clock_timestamp())


def _ensure(session: Session, name: str) -> None:
    session.execute(insert(Circuit).values(name=name).on_conflict_do_nothing())
