"""A platform that faults may break: real processes, strikes, proxies where asked, clients that keep history."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
from pydantic import SecretStr

from service import connections
from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import PYTHON, LocalStack
from service.jobs.rules import submit_key
from service.kit import queue
from service.kit.db import engine, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import read
from tests.faults.clients import History, Submitter, Watcher
from tests.faults.proxy import Proxy
from tests.stack import SETTINGS, Emulator, Platform, Team, conversations, in_this_process, seed
from tests.until import until

# As in the tests, but with room between delay, lag and quiet period: on a busy machine everything takes longer.
FAULT_SETTINGS = SETTINGS | {
    "lease_seconds": "3",
    "provider_timeout_seconds": "2",
    "quiet_seconds": "5",
    "circuit_seconds": "0.5",
    "attempts_max": "40",
}
LIST_LAG_SECONDS = 1.0
_TOO_LATE_SECONDS = 0.5  # beyond the client's timeout; with the lag still below the quiet period
_WATCHERS_SECONDS = 30.0
CREATE: dict[str, Any] = {"method": "POST", "path": "^/v1/fine_tuning/jobs$"}


@dataclass
class Ground:
    """One Postgres for all sites of a run, with a migrated template of their databases, and the run's folder."""

    postgres: PostgresServer
    folder: Path
    template: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> tuple[str, Path]:
        """A name and a folder for one more site."""
        number = next(self._numbers)
        return f"f_{os.getpid()}_{number}", self.folder / str(number)


@dataclass(frozen=True)
class Row:
    """A job as its row stands now."""

    state: str
    fence: int
    attention: str | None
    provider_job_id: str | None
    attempts: int
    due_at: datetime | None
    slot_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """At least as far as its user is concerned; what came out of it may still be collected."""
        return self.state in ("succeeded", "failed", "cancelled")

    @property
    def is_over(self) -> bool:
        """Ended and nothing left to do for it, or waiting for a person."""
        return (self.has_ended and self.due_at is None) or self.attention is not None


class Site:
    """A platform and everything that breaks it."""

    def __init__(
        self, ground: Ground, cleanup: ExitStack, *, settings: dict[str, str] | None = None, proxied: bool = False
    ) -> None:
        self.name, self.folder = ground.fresh()
        self._cleanup = cleanup
        self.postgres = ground.postgres
        self.valkey = cleanup.enter_context(ValkeyServer(self.folder / "vk", durable=False))
        self.settings = FAULT_SETTINGS | (settings or {})
        if proxied:
            self.database_proxy = cleanup.enter_context(Proxy(self.postgres.socket))
            self.broker_proxy = cleanup.enter_context(Proxy(self.valkey.socket))
            self.settings |= {
                "database_url": f"postgresql+psycopg://tp_app@127.0.0.1:{self.database_proxy.port}/{self.name}",
                "broker_url": f"redis://127.0.0.1:{self.broker_proxy.port}/0",
            }
        self.stack = LocalStack(self.postgres, self.valkey, self.folder, database=self.name, settings=self.settings)
        cleanup.callback(self.stack.close)
        cleanup.callback(self._wake_all)
        self.stack.create_database(template=ground.template)
        self._superuser = cleanup.enter_context(psycopg.connect(self.superuser_url, autocommit=True))
        cleanup.enter_context(in_this_process(self.stack.environment))
        queue.producer.cache_clear()  # it would go on hinting at the site before
        seed(self.stack)
        if proxied:
            self.provider_proxy = cleanup.enter_context(Proxy(self.stack.emulator_port))
            self.sql("UPDATE connections SET base_url = %s", f"http://127.0.0.1:{self.provider_proxy.port}/v1")
        self.is_proxied = proxied
        self.strikes, self.histories = self.folder / "strikes", self.folder / "histories"
        for made in (self.strikes, self.histories):
            made.mkdir()
        self._clients = itertools.count(1)
        self._watchers: list[Watcher] = []

    # ------------------------------------------------------------------------------------------------ what runs here
    def start(self, *, speed: float = 200, workers: int = 1, concurrency: int = 3, mutate: Sequence[str] = ()) -> None:
        """Everything, with workers that obey strikes."""
        self.concurrency, self.mutations = concurrency, list(mutate)
        self.stack.start_emulator(speed=speed)
        self.emulator = Emulator(self.stack.emulator_url)
        self.workers = [f"worker{n}" if n else "worker" for n in range(workers)]
        for name in self.workers:
            self.start_worker(name)
        self.stack.start_dispatcher()
        self.start_api()
        self.platform = Platform(self.stack)

    def start_worker(self, name: str = "worker", **spec: Any) -> None:
        spec = {"strikes": str(self.strikes), "mutate": self.mutations, **spec}
        launcher = [str(PYTHON), "-m", "tests.launcher", "worker", json.dumps(spec)]
        self.stack.start_worker(name, concurrency=self.concurrency, launcher=launcher)

    def restart_worker(self, name: str = "worker") -> None:
        """End the whole tree of processes at once, as a machine that goes away, and begin anew."""
        self.stack.processes.kill(name)
        self.start_worker(name)

    def start_api(self) -> None:
        launcher: list[str | Path] = [PYTHON, "-m", "tests.launcher", "api", json.dumps({"strikes": str(self.strikes)})]
        self.stack.start_api(launcher=launcher)

    def processes_of(self, name: str) -> list[psutil.Process]:
        """A child of ours and all that it has started."""
        root = psutil.Process(self.stack.processes.pid(name))
        return [root, *root.children(recursive=True)]

    @contextmanager
    def asleep(self, processes: Sequence[psutil.Process]) -> Iterator[None]:
        """Stopped meanwhile: open connections stay open and nothing answers."""
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(reversed(processes), signal.SIGCONT)

    def _wake_all(self) -> None:
        """So that what is to end can hear of it."""
        _signal(psutil.Process().children(recursive=True), signal.SIGCONT)

    # ------------------------------------------------------------------------------------------------------- clients
    def submitter(self, *, own_account: bool = False, budget: str = "100000", topic: str = "tide") -> Submitter:
        """A client of a new team with a ready dataset; with an account of its own at the provider if asked."""
        number = next(self._clients)
        team = self.platform.team(budget=budget)
        if own_account:
            self.give_account(team, number)
        history = History(self.histories / f"{number}.jsonl", f"client {number} of {team.slug}")
        dataset = team.ready_dataset(conversations(topic=topic), within=120)  # the first one loads the tokenizer
        return Submitter(team, str(dataset["id"]), history)

    def watch(self, client: Submitter, *jobs: str) -> None:
        """Let somebody watch these jobs to their end, which `settle` waits for."""
        for job in jobs:
            watcher = Watcher(client, job)
            self._watchers.append(watcher)
            watcher.start()

    def give_account(self, team: Team, number: int) -> None:
        key = f"sk-own-{number}"
        assert self.emulator.http.post("/_emulator/keys", json={"key": key, "project": f"proj_{number}"}).is_success
        url = f"http://127.0.0.1:{self.provider_proxy.port if self.is_proxied else self.stack.emulator_port}/v1"
        engine().dispose()  # a fault before may have killed what this process keeps open
        with unit_of_work(CLI) as session:
            made = connections.create(
                session, CLI, name=f"own-{number}", kind=connections.Kind.COMPATIBLE, provider="emulator",
                base_url=url, api_key=SecretStr(key),
            )  # fmt: skip
        self.sql("UPDATE teams SET connection_id = %s WHERE slug = %s", made.id, team.slug)

    def spoil_creation(self, **fault: Any) -> str:
        """A fault for a creation, by default the next one. A delay is as long as the client will not wait."""
        if fault["kind"] == "delay":
            fault["delay_seconds"] = float(self.settings["provider_timeout_seconds"]) + _TOO_LATE_SECONDS
        return self.emulator.fault(**CREATE, **fault)

    # ------------------------------------------------------------------------------------------------ the rows' truth
    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As the superuser, past every proxy and policy, on a connection that is kept as long as Postgres lives."""
        try:
            return self._asked(statement, values)
        except psycopg.OperationalError:
            self._superuser.close()
            self._superuser = self._cleanup.enter_context(psycopg.connect(self.superuser_url, autocommit=True))
            return self._asked(statement, values)

    def _asked(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        done = self._superuser.execute(statement, values)
        return done.fetchall() if done.description else []

    @property
    def superuser_url(self) -> str:
        return self.postgres.url(self.name).replace("postgresql+psycopg", "postgresql")

    def rows(self, jobs: Sequence[str]) -> dict[str, Row]:
        """These jobs as they stand, by the ids users see."""
        wanted = {read("job", job): job for job in jobs}
        found = self.sql(
            "SELECT id, state, fence, attention, provider_job_id, attempts, due_at, slot_at FROM jobs "
            "WHERE id = ANY(%s)",
            list(wanted),
        )
        return {wanted[one[0]]: Row(*one[1:]) for one in found}

    def unfinished(self) -> int:
        """Jobs that have neither ended nor wait for a person."""
        ((left,),) = self.sql(
            "SELECT count(*) FROM jobs WHERE attention IS NULL "
            "AND (state NOT IN ('succeeded', 'failed', 'cancelled') OR due_at IS NOT NULL)"
        )
        return int(left)

    def settle(self, within: float = 60) -> None:
        """Wait until every job has ended or waits for a person."""
        until(lambda: self.unfinished() == 0, within=within, what=f"{self.unfinished()} jobs to end")
        for watcher in self._watchers:
            watcher.join(_WATCHERS_SECONDS)
            assert not watcher.is_alive(), f"{watcher.name} was not told the end"
        self._watchers.clear()

    def end_lock(self, job: str) -> None:
        """End the session that holds the job's lock, as a network or an operator would."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)",
            f"job:{uuid_of(job)}",
        )

    def make_due(self, tick: str) -> None:
        """Have a periodic chore done now."""
        self.sql("UPDATE ticks SET due_at = now(), hinted_at = NULL WHERE name = %s", tick)

    # -------------------------------------------------------------------------------------------------- the judgement
    def check(self, *options: str) -> str:
        """Let the checker judge; returns its last line, raises Broken with its words."""
        command = [
            sys.executable, "-m", "tests.faults.checker", self.superuser_url, "--emulator", self.stack.emulator_url,
            "--histories", str(self.histories), "--lease-seconds", self.settings["lease_seconds"], *options,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken(done.stdout + done.stderr)
        return done.stdout.splitlines()[-1]


class Broken(AssertionError):
    """The checker found an invariant broken, or did not get through."""

    @property
    def invariants(self) -> set[str]:
        return {line.split()[0] for line in str(self).splitlines() if " BROKEN: " in line}


def lasting(seconds: float) -> None:
    """A fault goes on for so long: its length is what is tested, nothing is waited for."""
    threading.Event().wait(seconds)


def key_of(job: str) -> str:
    """What the job is called at the provider."""
    return submit_key(SETTINGS["environment"], read("job", job))


def uuid_of(job: str) -> UUID:
    return read("job", job)


def _signal(processes: Any, how: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(how)
        except psutil.NoSuchProcess:
            continue
