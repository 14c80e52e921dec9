"""Reserving by 50 clients on one team's month, against the same conditional UPDATE alone in the same unit of work.

    python -m bench.reserve        # what `run` starts: the clients, in a process that has the database's address

Both do what a request does: take a connection of the pool, take the role, change the row, commit. In turns of two
seconds; each client waits for the others at the row itself. What is measured is what a reservation costs beyond the
lock that nobody can do without.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from sqlalchemy import text

from bench.row import Row
from service import quotas, tenants
from service.cli.embedded import PostgresServer
from service.cli.migrate import migrate
from service.kit import ids
from service.kit.db import engine, unit_of_work
from service.kit.identity import CLI, worker_for

CLIENTS: Final = 50
SECONDS: Final = 2.0
ROUNDS: Final = 5
_AT: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_AMOUNT: Final = Decimal("0.0000000001")
_BARE: Final = text(
    "UPDATE budget_months SET reserved = reserved + :asked "
    "WHERE team_id = :team AND month = :month AND limit_amount - reserved - spent >= :asked RETURNING month"
)


def run() -> list[Row]:
    """Medians of five rounds each."""
    with tempfile.TemporaryDirectory(prefix="tp-bench-") as made:
        folder = Path(made)
        folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
        with PostgresServer(folder / "pg", durable=False, max_connections=CLIENTS + 20) as server:
            migrate(server.url("postgres"))
            environment = os.environ | {
                "TUNEPLANE_DATABASE_URL": server.url("postgres", "tp_app"),
                "TUNEPLANE_POOL_SIZE": str(CLIENTS),
            }
            clients = [sys.executable, "-m", "bench.reserve"]
            done = subprocess.run(clients, env=environment, check=True, capture_output=True, text=True)
    ours, bare = json.loads(done.stdout)
    return [Row("reserve_vs_bare_update", ours, "reservations/s", "the conditional UPDATE alone", bare)]


def _measure() -> tuple[float, float]:
    """Reservations and bare updates a second."""
    with unit_of_work(CLI) as session:
        created = tenants.create_team(session, CLI, tenants.TeamCreate(slug="hot", name="Hot"))
        team = tenants.find_team(session, created.slug)
        quotas.set_budget(session, CLI, team, quotas.BudgetSet(monthly_limit="1000000"), at=_AT)
    actor = worker_for(team.id)

    def reserve() -> None:
        with unit_of_work(actor) as session:
            quotas.reserve(session, team, ids.new_id(), _AMOUNT, base_model="gpt-4o-mini-2024-07-18", at=_AT)

    month = {"team": team.id, "month": quotas.month_of(_AT, team.time_zone), "asked": _AMOUNT}

    def update() -> None:
        with unit_of_work(actor) as session:
            session.execute(_BARE, month).one()

    with ThreadPoolExecutor(CLIENTS) as crowd:
        _rate(crowd, reserve), _rate(crowd, update)  # connections are made, statements compiled
        rates = [(_rate(crowd, reserve), _rate(crowd, update)) for _ in range(ROUNDS)]
    engine().dispose()
    return median(ours for ours, _ in rates), median(bare for _, bare in rates)


def _rate(crowd: ThreadPoolExecutor, act: Callable[[], None]) -> float:
    """How often a second, by all clients at once."""
    began = perf_counter()

    def client(_: int) -> int:
        times = 0
        while perf_counter() - began < SECONDS:
            act()
            times += 1
        return times

    done = sum(crowd.map(client, range(CLIENTS)))
    return done / (perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(_measure()))
