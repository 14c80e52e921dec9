"""The platform every test shares: real Postgres, Valkey, emulator, API, worker and dispatcher, a set a test process.

Tests keep apart by making teams of their own. A test that breaks something shared (kills a worker, pauses Postgres)
starts a platform of its own with `own_platform`.
"""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import LocalStack
from service.cli.migrate import migrate
from tests.stack import SETTINGS, Emulator, Platform, Team, in_this_process, seed

_TEMPLATE = "tp_template"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun behind a shell's `&`: what the tests start is to hear of a Ctrl-C all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What lies about on a developer's machine: with any of it in a request the emulator would refuse the account.
STRAY = {
    "OPENAI_API_KEY": "sk-stray",
    "OPENAI_ADMIN_KEY": "sk-admin-stray",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_ORG_ID": "org-stray",
    "OPENAI_PROJECT_ID": "proj-stray",
    "OPENAI_CUSTOM_HEADERS": "OpenAI-Project: proj-stray",
}


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """One folder for all processes of this run; the first to leave last removes it with the servers' data."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"tp-{run[:12]}"
    folder.mkdir(mode=0o711, exist_ok=True)
    yield folder
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0" and "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[PostgresServer]:
    """One server for all test processes, with a migrated and seeded template that databases are copied from."""
    with PostgresServer(run_folder / "pg", durable=False, max_connections=400) as server:
        with (run_folder / "template.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _exists(server, _TEMPLATE):
                _make_template(server, run_folder)
        yield server


def _exists(server: PostgresServer, database: str) -> bool:
    with psycopg.connect(_plain(server.url("postgres")), autocommit=True) as connection:
        return bool(connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone())


def _make_template(server: PostgresServer, run_folder: Path) -> None:
    with psycopg.connect(_plain(server.url("postgres")), autocommit=True) as connection:
        connection.execute("CREATE DATABASE tp_building")
        migrate(server.url("tp_building"))
        connection.execute(f"ALTER DATABASE tp_building RENAME TO {_TEMPLATE}")


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


@pytest.fixture(scope="session")
def worker_name() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


class Launch:
    """Makes platforms over the shared Postgres, each with a database, seeded, and a Valkey of its own.

    Nothing is started but Valkey; until `cleanup` ends, this process' own units of work reach the newest one.
    """

    def __init__(self, postgres: PostgresServer, folder: Path) -> None:
        self.postgres, self.folder, self.count = postgres, folder, 0

    def __call__(
        self, cleanup: ExitStack, *, postgres: PostgresServer | None = None, settings: dict[str, str] | None = None
    ) -> LocalStack:
        self.count += 1
        name = f"{self.folder.name}_{self.count}"
        folder = self.folder / str(self.count)
        valkey = cleanup.enter_context(ValkeyServer(folder / "vk", durable=False))
        stack = LocalStack(
            postgres or self.postgres, valkey, folder, database=f"t_{name}", settings=SETTINGS | (settings or {})
        )
        cleanup.callback(stack.close)
        stack.environment |= STRAY
        stack.create_database(template=_TEMPLATE if postgres is None else None)
        if postgres is not None:
            migrate(postgres.url(stack.database))
        cleanup.enter_context(in_this_process(stack.environment))
        seed(stack)
        return stack


@pytest.fixture(scope="session")
def launch(postgres: PostgresServer, run_folder: Path, worker_name: str) -> Launch:
    folder = run_folder / worker_name
    folder.mkdir(exist_ok=True)
    return Launch(postgres, folder)


@pytest.fixture(scope="session")
def stack(launch: Launch) -> Iterator[LocalStack]:
    """The shared platform's processes; none is started before a fixture below asks for it."""
    with ExitStack() as cleanup:
        yield launch(cleanup)


@pytest.fixture(scope="session")
def database(stack: LocalStack) -> LocalStack:
    """A migrated, seeded database that this process' own units of work reach. For tests that need no server."""
    return stack


@pytest.fixture(scope="module")
def quiet(launch: Launch) -> Iterator[LocalStack]:
    """A database of the module's own, where nobody works but its tests. Not to be mixed with the fixtures below."""
    with ExitStack() as cleanup:
        yield launch(cleanup)


@pytest.fixture(scope="module")
def own(quiet: LocalStack) -> Platform:
    """The API on it: closed months and the price book are everybody's."""
    quiet.start_api()
    return Platform(quiet)


@pytest.fixture(scope="session")
def emulator(stack: LocalStack) -> Emulator:
    stack.start_emulator(speed=200)
    return Emulator(stack.emulator_url)


@pytest.fixture(autouse=True)
def _emulator_behaves(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever faults a test scripted end with it."""
    yield
    if "emulator" in request.fixturenames:
        request.getfixturevalue("emulator").http.delete("/_emulator/faults")


@pytest.fixture(scope="session")
def platform(stack: LocalStack) -> Platform:
    """The API, without workers: for what a request alone can show."""
    stack.start_api()
    return Platform(stack)


@pytest.fixture(scope="session")
def workers(stack: LocalStack, emulator: Emulator) -> LocalStack:
    """A worker and a dispatcher, and the emulator they talk to."""
    stack.start_worker()
    stack.start_dispatcher()
    return stack


@pytest.fixture
def team(platform: Platform) -> Team:
    return platform.team()


@pytest.fixture
def make_team(platform: Platform) -> Callable[..., Team]:
    return platform.team


@pytest.fixture
def operator(platform: Platform) -> Any:
    return platform.operator


@pytest.fixture
def own_platform(launch: Launch) -> Iterator[Callable[..., LocalStack]]:
    """Start a platform that this test may break. With `own_postgres=True` even its Postgres is its own."""
    with ExitStack() as cleanup:

        def start(*, own_postgres: bool = False, settings: dict[str, str] | None = None) -> LocalStack:
            server = None
            if own_postgres:
                server = cleanup.enter_context(
                    PostgresServer(launch.folder / f"pg{launch.count}", durable=False, max_connections=200)
                )
            return launch(cleanup, postgres=server, settings=settings)

        yield start
