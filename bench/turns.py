"""A pass that finds one slot free, with 10,000 jobs of one team waiting, against the same with 100.

What a pass reads is what stands in front, so the ratio is to stay near 1 however long the queue is.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from bench.row import Row
from service import jobs
from service.cli.embedded import PostgresServer
from service.cli.migrate import migrate

SHORT, LONG = 100, 10_000
PASSES: Final = 40
_MODEL: Final = "gpt-4o-mini-2024-07-18"
_ACCOUNT, _NOISY, _QUIET = UUID(int=1), UUID(int=2), UUID(int=3)

_GROUND: Final = """
    INSERT INTO connections (id, name, kind, provider, base_url, sealed_key, slots)
        VALUES ('{account}', 'bench', 'compatible', 'emulator', 'http://127.0.0.1', '', 3);
    INSERT INTO teams (id, slug, name) VALUES ('{noisy}', 'noisy', 'Noisy'), ('{quiet}', 'quiet', 'Quiet');
"""
_DATASET: Final = """
    INSERT INTO datasets (id, team_id, name, filename, sha256, bytes, storage_key, created_by, state)
    VALUES (%(team)s, %(team)s, 'filled', 'filled.jsonl', 'none', 1, 'none', 'bench', 'ready') ON CONFLICT DO NOTHING
"""
_WAITING: Final = """
    INSERT INTO jobs (id, team_id, created_by, connection_id, provider, base_model, dataset_id, method, seed, metadata,
                      submit_key, state, queued_at, turn_at)
    SELECT made.id, %(team)s, 'bench', %(account)s, 'emulator', %(model)s, %(team)s, 'supervised', 1, '{}',
           made.id::text, 'queued', now(), now() + made.n * interval '1 millisecond'
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, %(jobs)s) AS n) AS made
    ORDER BY made.n RETURNING id
"""
_END_ONE: Final = """
    UPDATE jobs SET state = 'succeeded', slot_at = NULL, due_at = NULL, submitted_at = now(), finished_at = now()
    WHERE id = (SELECT id FROM jobs WHERE slot_at IS NOT NULL ORDER BY slot_at, turn_at LIMIT 1)
"""


def let_wait(
    database: psycopg.Connection[Any], *, account: UUID, team: UUID, jobs: int, model: str = _MODEL
) -> list[UUID]:
    """So many jobs of a team that wait for their turn, put straight into the tables; their ids in their order."""
    told = {"account": account, "team": team, "jobs": jobs, "model": model}
    database.execute(_DATASET, told)
    return [row[0] for row in database.execute(_WAITING, told).fetchall()]


def end_one(database: psycopg.Connection[Any]) -> None:
    """Have the job that holds its slot longest end."""
    database.execute(_END_ONE)


def run() -> list[Row]:
    """Medians of 40 passes each."""
    with _database() as (database, engine):
        let_wait(database, account=_ACCOUNT, team=_NOISY, jobs=SHORT)
        let_wait(database, account=_ACCOUNT, team=_QUIET, jobs=SHORT)
        short = _milliseconds(database, engine)
        let_wait(database, account=_ACCOUNT, team=_NOISY, jobs=LONG - SHORT)
        long = _milliseconds(database, engine)
    return [Row("turns_pass_ms", long, "ms", f"{SHORT} waiting instead of {LONG:,}", short)]


def _milliseconds(database: psycopg.Connection[Any], engine: Engine) -> float:
    _grant(engine)
    took = []
    for _ in range(PASSES):
        end_one(database)
        started = perf_counter()
        assert _grant(engine) == 1
        took.append((perf_counter() - started) * 1000)
    return median(took)


def _grant(engine: Engine) -> int:
    """One pass, in a transaction of the role that dispatchers take."""
    with Session(engine) as session, session.begin():
        session.execute(text("SET LOCAL ROLE tp_worker"))
        return len(jobs.grant_turns(session))


@contextmanager
def _database() -> Iterator[tuple[psycopg.Connection[Any], Engine]]:
    with tempfile.TemporaryDirectory(prefix="tp-bench-") as made:
        folder = Path(made)
        folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
        with PostgresServer(folder / "pg", durable=False) as server:
            url = server.url("postgres")
            migrate(url)
            engine = create_engine(url)
            with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as database:
                database.execute(_GROUND.format(account=_ACCOUNT, noisy=_NOISY, quiet=_QUIET).encode())
                yield database, engine
            engine.dispose()
