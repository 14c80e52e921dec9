"""Resolving one of 1,000 models, key and all, against a bare FastAPI route that returns a constant.

Both by one process of the same server with the same settings, 64 connections, in turns.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil
import psycopg

from bench.row import Row
from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import PYTHON, LocalStack, free_port
from service.cli.migrate import migrate
from service.tenants.rules import assemble_key, keyed_digest

MODELS: Final = 1000
CONNECTIONS: Final = 64
SECONDS: Final = 2.0
ROUNDS: Final = 5

_SECRET: Final = "b" * 43
_KEY: Final = assemble_key("demo", "benchmark0", _SECRET)
_FILL: Final = """
    INSERT INTO teams (id, slug, name) VALUES ({id0}, 'bench', 'Bench');
    INSERT INTO api_keys (id, team_id, key_id, environment, digest, last4, name, role, created_by)
        VALUES ({id0}, {id0}, 'benchmark0', 'demo', decode('{digest}', 'hex'), 'bbbb', 'bench', 'resolver', 'bench');
    INSERT INTO connections (id, name, kind, provider, base_url, sealed_key)
        VALUES ({id0}, 'bench', 'compatible', 'emulator', 'http://127.0.0.1', '');
    INSERT INTO datasets (id, team_id, name, filename, sha256, bytes, storage_key, created_by, state)
        VALUES ({id0}, {id0}, 'bench', 'bench.jsonl', 'none', 1, 'none', 'bench', 'ready');
    INSERT INTO models (id, team_id, name)
        SELECT {idn}, {id0}, 'model-' || lpad(n::text, 4, '0') FROM generate_series(0, {models} - 1) n;
    INSERT INTO model_versions (id, team_id, model_id, number, provider_model_id, base_model, connection_id, job_id,
                                dataset_id, state, ready_at)
        SELECT {idn}, {id0}, {idn}, 1, 'ft:gpt-4.1-mini-2025-04-14:acme::' || lpad(n::text, 8, '0'),
               'gpt-4.1-mini-2025-04-14', {id0}, {idn}, {id0}, 'ready', now() FROM generate_series(0, {models} - 1) n;
    INSERT INTO aliases (team_id, model_id, alias, version_id, moved_at, moved_by)
        SELECT {id0}, {idn}, 'production', {idn}, '2026-11-20', 'bench' FROM generate_series(0, {models} - 1) n;
"""


class Sample(NamedTuple):
    """What one server did in one sample."""

    per_second: float
    per_cpu_second: float


def run() -> list[Row]:
    """Medians of five samples of two seconds each.

    The second row counts the server's own CPU time: a busy machine, or one too small to give the load generator a core
    of its own, distorts that less than the wall clock.
    """
    with ExitStack() as cleanup:
        stack = _stack(cleanup)
        bare_port = free_port()
        stack.start_api()
        stack.start_api("bare", port=bare_port, launcher=[PYTHON, "-m", "uvicorn", "--factory", "bench.bare:app"])
        api, bare = (psutil.Process(stack.processes.pid(name)) for name in ("api", "bare"))
        paths = [f"/v1/models/model-{number:04}/resolve" for number in range(MODELS)]
        ours, limit = [], []
        for _ in range(ROUNDS):
            ours.append(_sample(api, stack.api_port, paths))
            limit.append(_sample(bare, bare_port, ["/constant"]))
    return [
        _row(
            "resolve_vs_bare_route", "requests/s", [one.per_second for one in ours], [one.per_second for one in limit]
        ),
        _row(
            "resolve_vs_bare_route_cpu",
            "requests/CPU s",
            [one.per_cpu_second for one in ours],
            [one.per_cpu_second for one in limit],
        ),
    ]


def _row(name: str, unit: str, ours: list[float], limit: list[float]) -> Row:
    return Row(name=name, value=median(ours), unit=unit, against="bare FastAPI route", against_value=median(limit))


def _stack(cleanup: ExitStack) -> LocalStack:
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tp-bench-")))
    folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
    postgres = cleanup.enter_context(PostgresServer(folder / "pg", durable=False))
    valkey = cleanup.enter_context(ValkeyServer(folder / "vk", durable=False))
    stack = cleanup.enter_context(LocalStack(postgres, valkey, folder))
    stack.create_database()
    admin_url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"]
    migrate(admin_url)
    pepper = stack.environment["TUNEPLANE_KEY_PEPPER"].encode()
    with psycopg.connect(admin_url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute(
            _FILL.format(
                id0="'00000000-0000-7000-8000-000000000000'::uuid",
                idn="('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid",
                digest=keyed_digest(pepper, _SECRET).hex(),
                models=MODELS,
            )
        )
    return stack


def _sample(server: psutil.Process, port: int, paths: list[str]) -> Sample:
    """Ask this server for these paths in turn."""
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {_KEY}\r\n\r\n".encode() for path in paths]
    command = [sys.executable, "-m", "bench.load", str(port), str(CONNECTIONS), str(SECONDS)]
    before = server.cpu_times()
    done = subprocess.run(command, input=b"\0".join(requests), capture_output=True, check=False, timeout=60)
    after = server.cpu_times()
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    answers, seconds = map(float, done.stdout.split())
    return Sample(answers / seconds, answers / (after.user + after.system - before.user - before.system))
