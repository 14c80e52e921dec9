"""Following 5,000 active jobs of 50 teams at one account: one dispatcher and one worker of two processes.

Three fifths train, the others wait in the provider's queue; all have been there for an hour, so that they are on their
longest pauses. 500 of those that wait start to train during the measurement, one after the other. Nobody watches.

- Calls: all the worker makes, and those that ask how jobs stand, each beside one page of 100 jobs a call, every
  `follow_seconds`: nobody can know more for less.
- Staleness: from the moment a job starts at the provider until our row says so.
- Linearity: CPU time a job, ours and Postgres', for a look at all of 5,000 beside 100, where a twentieth has news.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles
from time import sleep
from typing import Any, Final
from uuid import UUID

import httpx2
import psutil
import psycopg

from bench.row import Row
from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import PROVIDER_KEY, LocalStack, bring_up
from service.jobs import flows
from service.kit import clock
from service.kit.db import engine
from service.kit.ids import new_id
from service.kit.settings import settings

JOBS, FEW = 5000, 100
_TEAMS: Final = tuple(new_id() for _ in range(50))
WARM_UP_SECONDS, SECONDS = 5.0, 30.0
GROUPS: Final = {f"{n}": 25.0 + n for n in range(30)}
"""Jobs that start to train while we measure, by the seconds after their creation."""
_MODEL: Final = "gpt-4o-mini-2024-07-18"
_LONG: Final = 43_200
_CALLS: Final = {"list": "^/v1/fine_tuning/jobs$", "job": "^/v1/fine_tuning/jobs/[^/]+$", "events": "/events$"}

_GROUND: Final = (
    """
    INSERT INTO teams (id, slug, name)
        SELECT id, 'team-' || n, 'Team ' || n FROM unnest(%(teams)s::uuid[]) WITH ORDINALITY AS made (id, n)
        ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO datasets (id, team_id, name, filename, sha256, bytes, storage_key, created_by, state)
        SELECT id, id, 'bench', 'bench.jsonl', 'none', 1, 'none', 'bench', 'ready' FROM unnest(%(teams)s::uuid[]) AS id
        ON CONFLICT DO NOTHING
    """,
)
_JOB: Final = """
    INSERT INTO jobs (id, team_id, created_by, created_at, connection_id, provider, base_model, dataset_id, method,
                      seed, metadata, submit_key, state, provider_job_id, provider_status, submitted_at, started_at,
                      events_asked_at, due_at)
    SELECT %(id)s, %(team)s, 'bench', at, account.id, 'emulator', %(model)s, %(team)s, 'supervised', 1, '{}',
           %(key)s, %(state)s::text, %(remote)s, %(status)s, at,
           CASE WHEN %(state)s::text = 'running' THEN at END,
           now() - random() * interval '150 seconds', now() + random() * interval '60 seconds'
    FROM (SELECT now() - interval '1 hour' AS at) AS begun, (SELECT id FROM connections WHERE is_default) AS account
"""


_SEEN: Final = """
    SELECT job_id, extract(epoch FROM min(at)) FROM job_events
    WHERE source = 'tuneplane' AND job_id = ANY(%s) GROUP BY job_id
"""


@dataclass(frozen=True)
class Seeded:
    """A job at both ends; `starts_at` is when it starts to train, where that is during the measurement."""

    id: UUID
    remote: str
    status: str
    starts_at: float | None


@dataclass(frozen=True)
class Calls:
    """What was asked of the provider in so many seconds."""

    hits: dict[str, int]
    began: float
    seconds: float

    @property
    def per_second(self) -> float:
        return sum(self.hits.values()) / self.seconds

    def covers(self, at: float | None) -> bool:
        return at is not None and self.began < at < self.began + self.seconds

    @property
    def about_status_per_second(self) -> float:
        return (self.hits["list"] + self.hits["job"]) / self.seconds


def run() -> list[Row]:
    """One run of a minute and a half."""
    with ExitStack() as cleanup:
        stack = _stack(cleanup)
        bring_up(stack, speed=1)
        control = cleanup.enter_context(httpx2.Client(base_url=f"{stack.emulator_url}/_emulator", timeout=30))
        jobs = _seed(stack, control)
        _insert(stack, jobs[-FEW:])
        sleep(WARM_UP_SECONDS)
        few_mb = _memory_mb(stack)
        _insert(stack, jobs[:-FEW])
        sleep(WARM_UP_SECONDS)
        calls = _count(control)
        busy_mb = _memory_mb(stack)
        late = _staleness(stack, [one for one in jobs if calls.covers(one.starts_at)])
        for name in ("dispatcher", "worker", "api"):
            stack.processes.stop(name)
        few, many = _cost(stack, jobs)
    print(f"calls in {calls.seconds:.0f} s: {calls.hits}; {len(late)} jobs started meanwhile")
    pages_per_second = JOBS / 100 / 15
    against = f"{JOBS // 100} pages of 100 jobs each 15 s"
    return [
        Row("follow_calls_per_s", calls.per_second, "calls/s", against, pages_per_second),
        Row("follow_status_calls_per_s", calls.about_status_per_second, "calls/s", against, pages_per_second),
        Row("follow_staleness_p50", median(late), "s", "a list each 15 s: half of that", 7.5),
        Row("follow_staleness_p99", quantiles(late, n=100)[98], "s", "promised", 90.0),
        Row("follow_worker_mb", busy_mb, "MB", f"the same worker with {FEW} jobs", few_mb),
        Row("follow_linearity", many, "CPU ms/job", f"of {FEW} jobs", few),
    ]


def _stack(cleanup: ExitStack) -> LocalStack:
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tp-bench-")))
    folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
    postgres = cleanup.enter_context(PostgresServer(folder / "pg", durable=False))
    valkey = cleanup.enter_context(ValkeyServer(folder / "vk", durable=False))
    return cleanup.enter_context(LocalStack(postgres, valkey, folder))


# --------------------------------------------------------------------------------------------------------- the fleet
def _seed(stack: LocalStack, control: httpx2.Client) -> list[Seeded]:
    """The jobs at the emulator, oldest first."""
    stuck = {"kind": "stuck", "status": "queued", "times": None}
    for group, seconds in (GROUPS | {"never": _LONG}).items():
        control.post("/fates", json=stuck | {"seconds": seconds, "metadata": {"starts": group}}).raise_for_status()
    asyncio.run(_create(stack.emulator_port, _file(stack), [_start_of(n) for n in range(JOBS)]))
    control.post("/clock", json={"advance_seconds": 10}).raise_for_status()  # those that are to train do now
    skew = control.get("/clock").json()["now"] - _now()
    truth = _truth(control)
    jobs = []
    for one in truth:
        wait = GROUPS.get(one["metadata"]["starts"])
        starts_at = None if wait is None else one["created_at"] + 10 + wait - skew
        jobs.append(Seeded(new_id(), one["id"], one["status"], starts_at))
    return jobs


def _truth(control: httpx2.Client) -> list[dict[str, Any]]:
    """The jobs as they are, once the emulator has worked out how they train."""
    while True:
        truth: list[dict[str, Any]] = control.get("/log").json()["jobs"]
        if {one["status"] for one in truth} == {"running", "queued"}:
            return truth
        sleep(0.5)


def _start_of(n: int) -> str:
    """Of ten jobs six train, one starts during the measurement, three wait on."""
    if n % 10 < 6:
        return "now"
    return list(GROUPS)[n // 10 % len(GROUPS)] if n % 10 == 6 else "never"


def _file(stack: LocalStack) -> str:
    lines = (
        {"messages": [{"role": "user", "content": f"Hour {n}?"}, {"role": "assistant", "content": f"{n} o'clock."}]}
        for n in range(24)
    )
    content = "\n".join(map(json.dumps, lines)).encode()
    with httpx2.Client(base_url=stack.emulator_url, headers={"Authorization": f"Bearer {PROVIDER_KEY}"}) as client:
        made = client.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("bench.jsonl", content)})
    return str(made.raise_for_status().json()["id"])


async def _create(port: int, file: str, starts: Sequence[str]) -> None:
    """One connection and plain HTTP: making the jobs must not take longer than following them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for start in starts:
        wanted = {"model": _MODEL, "training_file": file, "seed": 1, "metadata": {"starts": start}}
        wanted["method"] = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50, "batch_size": 1}}}
        body = json.dumps(wanted).encode()
        writer.write(
            b"POST /v1/fine_tuning/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {PROVIDER_KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(line for line in head.decode().lower().split("\r\n") if line.startswith("content-length"))
        await reader.readexactly(int(length.split(":")[1]))
    writer.close()


def _insert(stack: LocalStack, jobs: Sequence[Seeded]) -> None:
    """Rows of these jobs, of each team as many."""
    states = {"running": "running", "queued": "provider_queued"}
    rows = [
        {
            "id": job.id, "team": _TEAMS[n % len(_TEAMS)], "model": _MODEL, "key": job.remote,
            "remote": job.remote, "status": job.status, "state": states[job.status],
        }
        for n, job in enumerate(jobs)
    ]  # fmt: skip
    with _database(stack) as database:
        for statement in _GROUND:
            database.execute(statement, {"teams": list(_TEAMS)})
        with database.cursor() as cursor, database.transaction():
            cursor.executemany(_JOB, rows)
        database.execute("ANALYZE")


# -------------------------------------------------------------------------------------------------------- measurements
def _count(control: httpx2.Client) -> Calls:
    """What is asked while the clock runs, counted by faults that do nothing."""
    for path in _CALLS.values():
        fault = {"kind": "delay", "delay_seconds": 0, "times": None, "method": "GET", "path": path}
        control.post("/faults", json=fault).raise_for_status()
    began = _now()
    sleep(SECONDS)
    hits = {fault["path"]: fault["hits"] for fault in control.get("/faults").json()["faults"]}
    seconds = _now() - began
    control.delete("/faults")
    return Calls({name: hits[path] for name, path in _CALLS.items()}, began, seconds)


def _staleness(stack: LocalStack, started: Sequence[Seeded]) -> list[float]:
    """Seconds from each start to our knowing it, waiting until all are known; after a minute they are that late."""
    seen: dict[UUID, float] = {}
    deadline = _now() + 60
    with _database(stack) as database:
        while len(seen) < len(started) and _now() < deadline:
            sleep(1)
            rows = database.execute(_SEEN, [[one.id for one in started]]).fetchall()
            seen = {job: float(at) for job, at in rows}
    return [seen.get(one.id, deadline) - (one.starts_at or 0) for one in started]


def _memory_mb(stack: LocalStack) -> float:
    """The worker and its processes, what they share counted once."""
    worker = psutil.Process(stack.processes.pid("worker"))
    return sum(one.memory_full_info().pss for one in [worker, *worker.children(recursive=True)]) / 1e6


def _cost(stack: LocalStack, jobs: Sequence[Seeded]) -> tuple[float, float]:
    """CPU milliseconds a job of one look at the newest 100, and at all; the first is not counted."""
    os.environ.update({name: value for name, value in stack.environment.items() if name.startswith("TUNEPLANE_")})
    settings.cache_clear()
    engine.cache_clear()
    costs: dict[int, list[float]] = {FEW: [], JOBS: []}
    with _database(stack) as database:
        for count in [JOBS, *[FEW] * 5, JOBS, *[FEW] * 5]:
            ids = [job.id for job in jobs[-count:]]
            _make_due(database, ids)
            before = _cpu_seconds(stack)
            flows.follow(ids)
            costs[count].append((_cpu_seconds(stack) - before) / count * 1000)
    engine().dispose()
    return mean(costs[FEW]), mean(costs[JOBS][1:])  # the first heard all that had been said before


def _make_due(database: psycopg.Connection[Any], ids: Sequence[UUID]) -> None:
    """These alone, a twentieth of them with news: what they have said has not been asked for yet."""
    database.execute("UPDATE jobs SET due_at = NULL, lease_until = NULL, events_asked_at = now() WHERE true")
    database.execute("UPDATE jobs SET due_at = now() WHERE id = ANY(%s)", [list(ids)])
    news = [one for n, one in enumerate(ids) if n % 20 == 0]  # these train
    database.execute("UPDATE jobs SET events_asked_at = NULL WHERE id = ANY(%s)", [news])


def _cpu_seconds(stack: LocalStack) -> float:
    ours, postgres = psutil.Process(), psutil.Process(stack.postgres.pid)
    times = [one.cpu_times() for one in [ours, postgres, *postgres.children()]]
    ended = postgres.cpu_times()  # backends that have ended are told with their parent
    return sum(one.user + one.system for one in times) + ended.children_user + ended.children_system


@contextmanager
def _database(stack: LocalStack) -> Iterator[psycopg.Connection[Any]]:
    url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _now() -> float:
    return clock.now().timestamp()
