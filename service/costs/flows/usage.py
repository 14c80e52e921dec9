"""Reading what tuned models were used for, day by day, and booking it."""

from datetime import UTC, datetime

from service import connections, tenants
from service.connections import MeteredAccount
from service.costs.flows.reading import asked, days_to_read
from service.costs.metering import commands, queries
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import SYSTEM, WORKER, worker_for
from service.kit.settings import settings
from service.provider.openai import gateway


def read_usage(at: datetime | None = None) -> None:
    """Ask every account with an admin key for the days that have ended by `at` (now), and book what is new.

    The last days are asked for again each time: they are told late and in parts. An account that does not answer keeps
    no other waiting; why it did not is written down.
    """
    at = at or clock.now()
    with read_only(WORKER) as session:
        accounts = connections.metered(session)
    for account in accounts:
        _read(account, at)
    _book(at)


def _read(account: MeteredAccount, at: datetime) -> None:
    until = at.astimezone(UTC).date()
    again, at_first = settings().usage_days_again, settings().usage_days_at_first
    with asked(account, "usage", at) as credentials:
        since = days_to_read(account, "usage", until, again=again, at_first=at_first)
        projects = [account.project] if account.project else []
        told = gateway.daily_usage(credentials, since=since, until=until, projects=projects)
        with unit_of_work(SYSTEM) as session:
            commands.take(session, account, told, at=at)
            commands.allocate(session, account, at=at)
            newest = max((one.day for one in told), default=None)
            commands.note_reading(session, account.id, "usage", at=at, through=until, newest_day=newest)


def _book(at: datetime) -> None:
    """Team after team, in units of a few hundred lines."""
    with read_only(SYSTEM) as session:
        owners = queries.unbooked(session)
    for team_id in owners:
        done = commands.BATCH
        while done == commands.BATCH:
            with unit_of_work(SYSTEM if team_id is None else worker_for(team_id)) as session:
                team = tenants.team(session, team_id) if team_id else None
                done = commands.book(session, team, at=at)
