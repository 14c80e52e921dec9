"""Asking one account, and writing down why it did not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

from service import connections
from service.connections import MeteredAccount
from service.costs.metering import commands, queries
from service.costs.metering.rules import Failure, first_day
from service.kit import logs
from service.kit.db import read_only, unit_of_work
from service.kit.identity import SYSTEM, WORKER
from service.kit.sealing import SealingError
from service.provider.errors import AccountRefused, NotThere, ProviderError, Refused
from service.provider.shapes import Credentials

log = logs.get(__name__)


class OtherCurrency(Exception):
    """The provider bills in another currency than the ledger has: nothing can be compared."""


class _KeyGone(Exception):
    """The admin key was taken away meanwhile."""


@contextmanager
def asked(account: MeteredAccount, what: str, at: datetime) -> Iterator[Credentials]:
    """The account's admin credentials; a failure of the provider inside is noted and ends here, till the next tick."""
    try:
        yield _credentials(account)
    except (ProviderError, SealingError, OtherCurrency, _KeyGone) as error:
        log.warning("costs.not_read", connection=str(account.id), what=what, reason=str(error))
        with unit_of_work(SYSTEM) as session:
            commands.note_reading(session, account.id, what, at=at, failure=_failure(error), message=str(error)[:500])


def _credentials(account: MeteredAccount) -> Credentials:
    with read_only(WORKER) as session:
        found = connections.admin_credentials(session, account.id)
    if found is None:
        raise _KeyGone
    return found


def _failure(error: Exception) -> Failure:
    match error:
        case _KeyGone():
            return Failure.NO_ADMIN_KEY
        case OtherCurrency():
            return Failure.OTHER_CURRENCY
        case SealingError():
            return Failure.KEY_UNREADABLE
        case AccountRefused():
            return Failure.ADMIN_KEY_REFUSED
        case NotThere() | Refused():
            return Failure.NO_COSTS_API
    return Failure.UNREACHABLE


def days_to_read(account: MeteredAccount, what: str, until: date, *, again: int, at_first: int) -> date:
    """The first day to ask for."""
    with read_only(SYSTEM) as session:
        last = queries.reading(session, account.id, what)
        return first_day(until, last.through if last else None, again=again, at_first=at_first)
