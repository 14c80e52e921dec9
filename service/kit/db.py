"""Units of work: the only way to Postgres.

    with unit_of_work(actor) as session:
        ...                                  # commits on leaving, rolls back on error

The login role sees nothing by itself. A unit's first statement takes the actor's role and team for this transaction
only, and row-level security does the rest. A unit that outlives its deadline is cut off by a watchdog, because psycopg
has no timeout of its own against a Postgres that stopped answering.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import psycopg
from sqlalchemy import DateTime, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import Uuid

from service.kit.errors import Invalid, TuneplaneError, Unavailable
from service.kit.identity import Actor
from service.kit.settings import settings
from service.kit.watchdog import Breaker, Watchdog

_BEGIN: Final = text(
    "SELECT set_config('role', :role, true), set_config('app.team_id', :team, true),"
    " set_config('statement_timeout', :milliseconds, true)"
)
_SNAPSHOT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
# Postgres' own limits stand before the watchdog: a lock, an idle transaction and (by _BEGIN) a statement end by
# themselves. A slow query is thus no outage: its connection lives, and nobody else is refused for it.
_SESSION_OPTIONS: Final = "-c lock_timeout=2s -c idle_in_transaction_session_timeout=10s -c timezone=UTC"
_STATEMENT_SHARE: Final = 0.9  # of its unit's time, so that Postgres is the first to say so
_RETRYABLE: Final = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "57014",  # query_canceled: statement_timeout
}


_UNSTORABLE: Final = {
    None,  # psycopg itself refuses to send it
    "22001",  # string_data_right_truncation
    "22003",  # numeric_value_out_of_range
    "22021",  # character_not_in_repertoire
    "22P05",  # untranslatable_character: \u0000 in JSON
}


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Nothing was changed that you have not been told of; please repeat the request."""

    code = "database_unavailable"


class DatabaseBusy(Unavailable):
    """Too many requests touch the same rows at this moment. Nothing was changed; please repeat the request."""

    code = "database_busy"


class Unstorable(Invalid):
    """A value in this request cannot be stored: a number out of range, or a text with the character U+0000."""

    code = "value_unstorable"


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


watchdog = Watchdog()
breaker = Breaker(open_seconds=1.0)


@lru_cache
def engine() -> Engine:
    """This process' engine. A forked worker calls `forget_connections` first."""
    made = create_engine(
        settings().database_url.get_secret_value(),
        pool_size=settings().pool_size,
        max_overflow=0,
        pool_timeout=settings().unit_seconds,
        pool_recycle=1800,
        hide_parameters=True,  # an error's text ends in a log; what a statement carried must not
        connect_args={"connect_timeout": 2, "options": _SESSION_OPTIONS, "application_name": "tuneplane"},
    )
    event.listen(made, "connect", _refuse_a_powerful_login)
    event.listen(made, "checkin", lambda connection, _record: watchdog.release(connection))
    event.listen(made, "invalidate", lambda connection, _record, _error: watchdog.release(connection))
    return made


def forget_connections() -> None:
    """After a fork: drop the parent's sockets without closing them."""
    engine().dispose(close=False)
    watchdog.forget()


def _refuse_a_powerful_login(connection: psycopg.Connection[Any], _record: object) -> None:
    """Row-level security is worth nothing to a login that can bypass it, so such a login is never used."""
    watchdog.guard(connection, settings().unit_seconds)  # no unit guards it yet; being checked in ends this
    row = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user").fetchone()
    connection.rollback()
    if row is None or row[0]:
        raise RuntimeError("TUNEPLANE_DATABASE_URL names a login that bypasses row-level security: use tp_app")


@contextmanager
def unit_of_work(actor: Actor, *, seconds: float | None = None) -> Iterator[Session]:
    """One transaction as `actor`: commits on leaving, rolls back on error.

    Raises DatabaseUnavailable or DatabaseBusy for everything that is Postgres' fault; whether a commit that broke on
    the way was carried out is then unknown, which is why every write is safe to repeat.
    """
    with _unit(actor, seconds) as session:
        yield session


@contextmanager
def read_only(actor: Actor, *, seconds: float | None = None) -> Iterator[Session]:
    """One read-only transaction that sees a single moment, so that totals equal their rows."""
    with _unit(actor, seconds, snapshot=True) as session:
        yield session


@contextmanager
def _unit(actor: Actor, seconds: float | None, *, snapshot: bool = False) -> Iterator[Session]:
    breaker.check(DatabaseUnavailable)
    limit = seconds or settings().unit_seconds
    try:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            dbapi_connection = session.connection().connection.dbapi_connection
            watchdog.guard(dbapi_connection, limit)
            if snapshot:
                session.execute(_SNAPSHOT)
            session.execute(
                _BEGIN,
                {
                    "role": actor.db_role,
                    "team": str(actor.team_id or ""),
                    "milliseconds": str(max(int(limit * _STATEMENT_SHARE * 1000), 1)),
                },
            )
            breaker.close()  # it answers, whatever the caller's own rules make of this unit
            yield session
    except PoolTimeout as error:
        raise DatabaseBusy(retry_after_seconds=1) from error
    except DBAPIError as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: DBAPIError) -> TuneplaneError | None:
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(error.orig, psycopg.DataError) and state in _UNSTORABLE:
        return Unstorable()
    if state in _RETRYABLE:
        return DatabaseBusy(retry_after_seconds=1)
    # 08 connection, 53 out of resources, 57P operator intervention, 25P0x idle or too long in transaction.
    gone = state is None and isinstance(error.orig, psycopg.OperationalError)
    if error.connection_invalidated or gone or (state and state.startswith(("08", "53", "57P", "25P03"))):
        breaker.open()
        return DatabaseUnavailable(retry_after_seconds=5)
    return None


def direct_connection() -> psycopg.Connection[Any]:
    """A connection of one's own, outside the pool, in autocommit: for session locks and LISTEN."""
    url = make_url(settings().database_url.get_secret_value()).set(drivername="postgresql")
    return psycopg.connect(
        url.render_as_string(hide_password=False),
        autocommit=True,
        connect_timeout=2,
        application_name="tuneplane-direct",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )


__all__ = [
    "Base", "DatabaseBusy", "DatabaseUnavailable", "Uuid", "direct_connection", "engine", "forget_connections",
    "read_only", "unit_of_work",
]  # fmt: skip
