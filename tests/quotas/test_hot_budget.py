"""Fifty clients on one budget, killed and stopped at any moment: no snapshot shows a grant beyond the limit.

The checker reads nothing but the tables, in snapshots of its own, while all goes on.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from service.cli.local import LocalStack
from service.kit import clock
from service.kit.errors import Unavailable
from service.tenants import TeamFacts
from tests.quotas.factories import a_funded_team, set_budget
from tests.quotas.hot import TOKENS_MAX
from tests.until import until

CLIENTS: Final = 50
_PAUSE_SECONDS: Final = 0.1
_BILLS_MIN: Final = 20
# What a job was granted is what is held for it, or what of that its bill used up; what its bill was above that nobody
# granted. So all grants together never come to more than the limit, whatever is billed.
_SNAPSHOT: Final = """
    SELECT limit_amount, reserved, spent, tokens_reserved, tokens_spent, of_jobs.*, of_ledger.*
    FROM budget_months AS months
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount) FILTER (WHERE state = 'held'), 0) AS held,
               coalesce(sum(CASE state WHEN 'held' THEN amount WHEN 'settled' THEN least(amount, settled_amount) END),
                        0) AS to_jobs,
               coalesce(sum(tokens) FILTER (WHERE state = 'held'), 0) AS tokens_held,
               coalesce(sum(settled_tokens), 0) AS tokens_settled,
               count(*) FILTER (WHERE settled_amount > amount AND NOT overrun) AS unflagged,
               count(*) FILTER (WHERE overrun) AS overruns, coalesce(sum(settled_amount), 0) AS settled,
               count(*) AS jobs
        FROM reservations AS one WHERE one.team_id = months.team_id AND one.month = months.month
    ) AS of_jobs ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS booked, count(*) AS bills FROM ledger_entries AS entry
        WHERE entry.team_id = months.team_id AND budget_month = months.month
    ) AS of_ledger ON true
    WHERE months.team_id = %s
"""


@dataclass
class Hot:
    """The clients of one team, what befalls them, and what was seen meanwhile."""

    stack: LocalStack
    slug: str
    team_id: UUID
    processes: int
    chance: random.Random
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)
    blows: Counter[str] = field(default_factory=Counter)
    limits: list[Any] = field(default_factory=list)

    def begin(self) -> None:
        """Start processes until there are enough."""
        while len(self.clients) < self.processes:
            each = str(CLIENTS // self.processes)
            command = [sys.executable, "-m", "tests.quotas.hot", self.slug, each, str(self.chance.random())]
            environment = os.environ | self.stack.environment | {"TUNEPLANE_POOL_SIZE": each}
            self.clients.append(
                subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
            )

    def strike(self, database: psycopg.Connection[Any]) -> None:
        """One blow at one process, or at one connection of theirs."""
        victim, how = self.chance.choice(self.clients), self.chance.choice(["kill", "stop", "cut"])
        self.blows[how] += 1
        if how == "kill":
            victim.kill()
            victim.wait()
            self.clients.remove(victim)
            self.begin()
        elif how == "stop":
            victim.send_signal(signal.SIGSTOP)
            time.sleep(_PAUSE_SECONDS)  # a process that sleeps holding a lock is what is tried
            victim.send_signal(signal.SIGCONT)
        else:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND usename = 'tp_app' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2"
            )

    def end(self) -> None:
        for client in self.clients:
            client.kill()
            client.wait()

    def check(self, database: psycopg.Connection[Any]) -> dict[str, Any]:
        """One snapshot, and whether it is in order."""
        (seen,) = database.execute(_SNAPSHOT, [self.team_id]).fetchall()
        assert seen["reserved"] == seen["held"], seen
        assert seen["spent"] == seen["settled"] == seen["booked"], seen
        assert (seen["tokens_reserved"], seen["tokens_spent"]) == (seen["tokens_held"], seen["tokens_settled"]), seen
        assert seen["unflagged"] == 0, seen
        assert seen["to_jobs"] <= seen["limit_amount"], seen
        assert seen["overruns"] or seen["reserved"] + seen["spent"] <= seen["limit_amount"], seen
        assert dict(seen)["tokens_reserved"] <= TOKENS_MAX, seen
        return dict(seen)


def raise_to(team: TeamFacts, limit: Decimal) -> None:
    """So that there is something to be granted again; a connection that was cut is this process's own, too."""
    until(lambda: _is_set(team, limit), what="a new limit")


def _is_set(team: TeamFacts, limit: Decimal) -> bool:
    try:
        set_budget(team, str(limit), at=clock.now())
    except Unavailable:
        return False
    return True


def play(stack: LocalStack, seconds: float, *, processes: int, blow_every: float) -> tuple[Hot, dict[str, Any], int]:
    """Fifty clients for so long; what befell them, the last snapshot, and how many there were."""
    team = a_funded_team("2", at=clock.now())
    hot = Hot(stack, team.slug, team.id, processes, random.Random(f"hot {seconds}"))
    url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    snapshots, limit = 0, Decimal(2)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as database, ExitStack() as cleanup:
        cleanup.callback(hot.end)
        hot.begin()
        until(lambda: hot.check(database)["bills"] > 0, within=60, what="the clients to be at work")
        began = time.monotonic()
        next_blow = began + blow_every
        while time.monotonic() - began < seconds:
            hot.check(database)
            snapshots += 1
            if time.monotonic() >= next_blow:
                hot.strike(database)
                next_blow += blow_every
                limit += Decimal("0.2")  # slower than the clients spend, so that it is the limit which stops them
                raise_to(team, limit)
        until(lambda: hot.check(database)["bills"] >= _BILLS_MIN, within=60, what="enough to have happened")
        hot.end()
        return hot, hot.check(database), snapshots


@pytest.mark.timeout(60)
def test_fifty_clients_on_one_budget_for_a_moment(quiet: LocalStack) -> None:
    hot, last, snapshots = play(quiet, 5, processes=2, blow_every=0.7)
    assert snapshots > 0
    assert hot.blows.total() > 0
    assert last["jobs"] > 0


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_fifty_clients_on_one_budget_for_a_minute(quiet: LocalStack) -> None:
    hot, last, snapshots = play(quiet, 60, processes=5, blow_every=0.7)
    print(f"{snapshots} snapshots; {dict(hot.blows)}; {last}")
    assert snapshots > 100
    assert hot.blows.keys() == {"kill", "stop", "cut"}
    assert last["overruns"] > 0
