"""Child processes that never outlive us: a reaper notices our death, however it comes, and ends their groups."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from service.kit.clock import monotonic

_TERM_SECONDS = 10.0

# Reads "+pid" and "-pid" lines from its stdin; when that ends, because we ended, it stops the groups still listed.
_REAPER = """
import os, signal, sys, time
alive = set()
for line in sys.stdin:
    (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
def tell(how):
    for group in list(alive):
        try:
            os.killpg(group, how)
        except (ProcessLookupError, PermissionError):
            alive.discard(group)
tell(signal.SIGTERM)
end = time.monotonic() + 8
while alive and time.monotonic() < end:
    time.sleep(0.05)
    tell(0)
tell(signal.SIGKILL)
"""


class Processes:
    """Start children, stop them all in reverse order; a `with` block does both."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _REAPER], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start `command` with exactly this environment; what it prints goes to `<logs>/<name>.log`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._children[name] = child
        self._tell_reaper(f"+{child.pid}")
        return child

    def log(self, name: str) -> Path:
        """Where a child's output is."""
        return self._logs / f"{name}.log"

    def stop(self, name: str) -> None:
        """Ask a child to end, and insist after ten seconds."""
        child = self._children.pop(name)
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_TERM_SECONDS)
        self._finish(child)

    def kill(self, name: str) -> None:
        """End a child and its whole group at once, as a crash would."""
        self._finish(self._children.pop(name))

    def pid(self, name: str) -> int:
        """The process id of a running child."""
        return self._children[name].pid

    def ended(self) -> list[str]:
        """Names of children that ended although nobody asked them to."""
        return [name for name, child in self._children.items() if child.poll() is not None]

    def close(self) -> None:
        """Ask all children at once, then wait for each, the last started first."""
        for child in self._children.values():
            _signal_group(child.pid, signal.SIGTERM)
        end = monotonic() + _TERM_SECONDS
        for name in reversed(list(self._children)):
            child = self._children.pop(name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, end - monotonic()))
            self._finish(child)
        if self._reaper.stdin:
            self._reaper.stdin.close()
        self._reaper.wait()

    def _finish(self, child: subprocess.Popen[bytes]) -> None:
        _signal_group(child.pid, signal.SIGKILL)
        child.wait()
        self._tell_reaper(f"-{child.pid}")

    def _tell_reaper(self, line: str) -> None:
        if self._reaper.stdin:
            self._reaper.stdin.write(f"{line}\n".encode())
            self._reaper.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _signal_group(pid: int, how: signal.Signals) -> None:
    try:
        os.killpg(pid, how)
    except (ProcessLookupError, PermissionError):
        return
