"""Reading what providers bill, and comparing it with the ledger day by day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from service import connections, tenants
from service.connections import MeteredAccount
from service.costs.flows.reading import OtherCurrency, asked, days_to_read
from service.costs.metering.commands import note_reading
from service.costs.metering.queries import midnight
from service.costs.reconciling import commands, confirming
from service.kit import clock, money
from service.kit.db import read_only, unit_of_work
from service.kit.identity import SYSTEM, WORKER, worker_for
from service.kit.settings import settings
from service.provider.openai import gateway


def reconcile(at: datetime | None = None) -> None:
    """Ask every account with an admin key what the days that have ended by `at` (now) cost, and compare them.

    The last days, and any that did not match, are asked for again each time. An account that does not answer keeps no
    other waiting; why it did not is written down.
    """
    at = at or clock.now()
    with read_only(WORKER) as session:
        accounts = connections.metered(session)
    for account in accounts:
        since = _read(account, at)
        if since is not None:
            for day in _days(since - timedelta(days=1), at.astimezone(UTC).date()):
                _compare(account, day, at)


def _read(account: MeteredAccount, at: datetime) -> date | None:
    """Keep the bill as it is told now; the first day that was asked for, or None where there was no answer."""
    until = at.astimezone(UTC).date()
    with asked(account, "costs", at) as credentials:
        since = _first_day(account, until)
        projects = [account.project] if account.project else []
        told = gateway.daily_costs(credentials, since=since, until=until, projects=projects)
        if currencies := {one.currency for one in told} - {money.CURRENCY}:
            raise OtherCurrency(f"the provider bills in {', '.join(sorted(currencies))}")
        with unit_of_work(SYSTEM) as session:
            commands.take(session, account, told, since=since, until=until, at=at)
            newest = max((one.day for one in told), default=None)
            note_reading(session, account.id, "costs", at=at, through=until, newest_day=newest)
        return since
    return None


def _first_day(account: MeteredAccount, until: date) -> date:
    late = until - timedelta(days=settings().costs_days_late)
    with read_only(SYSTEM) as session:
        still_open = commands.oldest_open(session, account, since=late)
    again, at_first = settings().costs_days_again, settings().usage_days_at_first
    usual = days_to_read(account, "costs", until, again=again, at_first=at_first)
    return min(usual, still_open) if still_open else usual


def _days(since: date, until: date) -> Iterator[date]:
    return (since + timedelta(days=n) for n in range((until - since).days))


def _compare(account: MeteredAccount, day: date, at: datetime) -> None:
    settled_at = midnight(day + timedelta(days=1 + settings().costs_settle_days))
    with unit_of_work(SYSTEM) as session:
        agreed = commands.compare(session, account, day, is_settled=at >= settled_at, at=at)
        owners = confirming.owners(session, agreed) if agreed else {}
    for team_id, entries in owners.items():
        _confirm(team_id, entries, at)


def _confirm(team_id: UUID, entries: list[UUID], at: datetime) -> None:
    with unit_of_work(worker_for(team_id)) as session:
        confirming.confirm(session, tenants.team(session, team_id), entries, at=at)
