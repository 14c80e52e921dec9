"""The whole of Tuneplane on one machine: embedded servers, emulator, API, worker and dispatcher as real processes.

`make demo`, `make up`, the tests and the benchmarks all stand on it, so that what they show is what runs.
"""

import base64
import os
import secrets
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Final, Self

import httpx2
import psycopg
from psycopg import sql

from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.processes import Processes
from service.kit.clock import monotonic

PYTHON: Final = Path(sys.executable)
REPOSITORY: Final = Path(__file__).parents[2]
UVICORN: Final = (
    "-m", "uvicorn", "--factory", "service.api.app:create_app", "--loop", "uvloop", "--http", "httptools",
    "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "10",
)  # fmt: skip
PROVIDER_KEY: Final = "sk-emulator"
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # empty: reading the machine's certificates costs 80 ms
_START_SECONDS: Final = 60.0  # a second or two, unless the machine is busy


class LocalError(RuntimeError):
    """Something of the local stack did not start; the message names its log."""


class LocalStack:
    """Processes of one Tuneplane over servers that run. Nothing is started until asked."""

    def __init__(
        self,
        postgres: PostgresServer,
        valkey: ValkeyServer,
        folder: Path,
        *,
        database: str = "tuneplane",
        settings: Mapping[str, str] | None = None,
        ports: tuple[int, int] | None = None,
    ) -> None:
        self.postgres, self.valkey, self.folder, self.database = postgres, valkey, folder, database
        self.processes = Processes(folder / "logs")
        self.api_port, self.emulator_port = ports or (free_port(), free_port())
        self.environment = self._environment(settings or {})

    @property
    def api_url(self) -> str:
        """Where the API answers once started."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def emulator_url(self) -> str:
        """Where the emulator answers once started; the wire format is under /v1."""
        return f"http://127.0.0.1:{self.emulator_port}"

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """A child's whole environment: ours without anything that could steer it, then Tuneplane's own settings."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TUNEPLANE_", "OPENAI_", "CELERY_"))}
        pepper, master = _kept_secrets(self.folder)
        return inherited | {
            "PYTHONUNBUFFERED": "1",
            "MALLOC_TRIM_THRESHOLD_": "131072",  # what a large body took is given back after it
            "TUNEPLANE_ENVIRONMENT": "demo",
            "TUNEPLANE_DATABASE_URL": self.postgres.url(self.database, "tp_app"),
            "TUNEPLANE_ADMIN_DATABASE_URL": self.postgres.url(self.database),
            "TUNEPLANE_BROKER_URL": self.valkey.celery_url(),
            "TUNEPLANE_STORAGE_URL": f"file://{self.folder / 'objects'}",
            "TUNEPLANE_KEY_PEPPER": pepper,
            "TUNEPLANE_MASTER_KEY": master,
            **{f"TUNEPLANE_{name.upper()}": value for name, value in settings.items()},
        }

    def create_database(self, *, template: str | None = None) -> None:
        """Make the database, empty or as a copy; an existing one is kept."""
        url = self.postgres.url("postgres").replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database]).fetchone()
            if known is None:
                statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database))
                if template:
                    statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
                connection.execute(statement)

    def start_emulator(self, *, speed: float, log: Path | None = None) -> None:
        """The provider's stand-in. Its world begins empty."""
        command: list[str | Path] = [PYTHON, "-m", "emulator", "--port", str(self.emulator_port)]
        command += ["--speed", str(speed), *(["--log", str(log)] if log else [])]
        self.processes.start("emulator", command, self.environment)
        self._wait_for("emulator", f"{self.emulator_url}/_emulator/log")

    def start_api(
        self, name: str = "api", *, port: int | None = None, launcher: Sequence[str | Path] | None = None
    ) -> None:
        """One API process. `launcher` is put before the server's arguments in place of uvicorn and its app (tests)."""
        port = port or self.api_port
        start, arguments = launcher or [PYTHON, *UVICORN[:4]], UVICORN[4:]
        self.processes.start(name, [*start, *arguments, "--port", str(port)], self.environment)
        self._wait_for(name, f"http://127.0.0.1:{port}/readyz")

    def start_worker(self, name: str = "worker", *, concurrency: int = 2, launcher: list[str] | None = None) -> None:
        """One Celery worker. `launcher` is put before the worker's arguments in place of celery itself (tests)."""
        start = launcher or [str(PYTHON), "-m", "workers"]
        self.processes.start(name, [*start, "--concurrency", str(concurrency)], self.environment)

    def start_dispatcher(self, name: str = "dispatcher") -> None:
        """One dispatcher."""
        self.processes.start(name, [PYTHON, "-m", "workers.dispatcher"], self.environment)

    def _wait_for(self, name: str, url: str) -> None:
        end = monotonic() + _START_SECONDS
        with httpx2.Client(verify=_NO_TLS, timeout=2) as client:
            while monotonic() < end and name not in self.processes.ended():
                with suppress(httpx2.TransportError):
                    if client.get(url).is_success:
                        return
                sleep(0.03)
        raise LocalError(f"the {name} did not start; its last words:\n{_tail(self.processes.log(name))}")

    def close(self) -> None:
        """Stop the processes; the servers are their owner's."""
        self.processes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bring_up(stack: LocalStack, *, speed: float) -> str:
    """Everything running, with schema, prices, a connection to the emulator; returns an operator's key."""
    stack.create_database()
    stack.start_emulator(speed=speed)
    admin: list[str | Path] = [PYTHON, "-m", "service.cli", "admin"]
    environment = {**stack.environment, "TUNEPLANE_PROVIDER_API_KEY": PROVIDER_KEY}
    _run([*admin, "migrate"], environment)
    kept = stack.folder / "operator-key"
    account = ["--kind", "compatible", "--provider", "emulator", "--base-url", f"{stack.emulator_url}/v1"]
    said = _run([*admin, "bootstrap", *account], environment)
    key = next((word for word in said.split() if word.startswith("tp_")), None)
    if key:
        kept.write_text(key)
        kept.chmod(0o600)
    stack.start_worker()
    stack.start_dispatcher()
    stack.start_api()  # last, because it is waited for while the others come up
    return kept.read_text()


def _run(command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [str(part) for part in command], env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LocalError(f"{' '.join(map(str, command[1:]))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kept_secrets(folder: Path) -> tuple[str, str]:
    """Pepper and master key of this folder: made once, readable by their owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "secrets"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(f"{secrets.token_urlsafe(32)}\n{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    pepper, master = file.read_text().split()
    return pepper, master


def _tail(file: Path, lines: int = 15) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
