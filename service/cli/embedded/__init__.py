"""Postgres 18 and Valkey 9 without Docker, root or an installation: for the demo, for development and for tests.

    with Embedded(Path(".tuneplane")) as servers:
        create_engine(servers.database_url("tuneplane"))

Any number of processes may use the same folder at once and share one pair of servers; when the last of them is gone,
killed or not, the servers stop. The data stay in the folder. Needs the `embedded` extra; Linux and macOS.
"""

from pathlib import Path
from typing import Self

from service.cli.embedded.postgres import PostgresServer
from service.cli.embedded.unprivileged import EmbeddedError
from service.cli.embedded.valkey import ValkeyServer

__all__ = ["Embedded", "EmbeddedError", "PostgresServer", "ValkeyServer"]


class Embedded:
    """One Postgres and one Valkey under `root`, each shared as `SharedServer` tells."""

    def __init__(self, root: Path, *, durable: bool = True, max_connections: int = 200) -> None:
        self.postgres = PostgresServer(root / "postgres", durable=durable, max_connections=max_connections)
        self.valkey = ValkeyServer(root / "valkey", durable=durable)

    def start(self) -> Self:
        """Start both, or join them where they run; raises EmbeddedError and then uses neither. Again after a kill."""
        try:
            self.postgres.start()
            self.valkey.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Leave both; who leaves last finds them stopped."""
        self.valkey.close()
        self.postgres.close()

    def database_url(self, database: str, user: str = "postgres") -> str:
        """For SQLAlchemy; any user name is trusted."""
        return self.postgres.url(database, user)

    def valkey_url(self, db: int = 0) -> str:
        """For redis-py."""
        return self.valkey.url(db)

    def celery_url(self, db: int = 0) -> str:
        """For Celery's broker setting."""
        return self.valkey.celery_url(db)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
