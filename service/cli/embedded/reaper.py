"""Stop a server: now, or as soon as nobody uses it any more.

Only the standard library is needed, because this file also runs as a program of its own: the detached process that
waits until the last user of a server is gone, however it went (`kill -9` included), and then stops that server.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

USERS_LOCK = "users.lock"  # shared by every user of the server, exclusive for whoever stops it
LAUNCHING = "launching"  # exists while a user starts the server
_REAPER_LOCK = "reaper.lock"
_LAUNCH_SECONDS_MAX = 10
_POLL_SECONDS = 0.02


def listening(socket_path: Path) -> bool:
    """Whether some process listens on the socket; one that is busy, or stopped by SIGSTOP, still does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(socket_path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # a full backlog: somebody owns the socket and does not accept at the moment
            return True
    return True


def pid_of(pidfile: Path, socket_path: Path) -> int | None:
    """The server's process id. A pid file alone proves nothing, its number may be another process's by now."""
    if not listening(socket_path):
        return None
    with suppress(FileNotFoundError, IndexError):
        return int(pidfile.read_text().split()[0])
    return None


def stop(pidfile: Path, socket_path: Path, how: signal.Signals, *, within_seconds: float = 60) -> None:
    """Ask the server to stop, wait until it has written everything and left, and kill it if it does not."""
    if (pid := pid_of(pidfile, socket_path)) is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, how)
        os.kill(pid, signal.SIGCONT)  # a test may have left it stopped
    if not _gone(pid, within_seconds):
        kill(pid)
    with suppress(OSError):  # not empty: the server was killed
        socket_path.parent.rmdir()


def kill(pid: int) -> None:
    """End the process at once and wait until it is dead."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _gone(pid, 10)


def _gone(pid: int, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while _alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _alive(pid: int) -> bool:
    """A zombie is dead: its number stays taken until PID 1 collects it, which in some containers is never."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # no /proc on macOS
        ps = ["ps", "-o", "stat=", "-p", str(pid)]
        state = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")


def _reap(root: Path, pidfile: Path, socket_path: Path, how: signal.Signals) -> None:
    """Return as soon as a detached child waits for the last user; at once if one waits already."""
    with (root / USERS_LOCK).open("a") as users, (root / _REAPER_LOCK).open("a") as reaper:
        try:
            fcntl.flock(reaper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if os.fork():
            os._exit(0)  # leave without unlocking: both locks now live in the child
        os.setsid()
        fcntl.flock(users, fcntl.LOCK_EX)
        _let_launch_end(root / LAUNCHING, pidfile, socket_path)
        stop(pidfile, socket_path, how)
        # Leaving the block frees the reaper's lock first: a user who comes now must be able to post a new reaper.


def _let_launch_end(launching: Path, pidfile: Path, socket_path: Path) -> None:
    """If the last user was killed while starting the server, it may come up without anybody waiting for it."""
    deadline = time.monotonic() + _LAUNCH_SECONDS_MAX
    while launching.exists() and pid_of(pidfile, socket_path) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    launching.unlink(missing_ok=True)


if __name__ == "__main__":
    _reap(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), signal.Signals(int(sys.argv[4])))
