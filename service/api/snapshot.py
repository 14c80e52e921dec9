"""The registry in a file, so that a process that starts while Postgres is away answers all the same.

A line that says when it was current, then keys and aliases a line each, then an HMAC-SHA-256 of all that under the
pepper of the API keys: a file that is damaged, cut short, forged or of another installation is none. Keys are in it as
Postgres has them, as digests that say nothing without the pepper; still only the process's own user may read it.
"""

import hashlib
import hmac
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import sleep
from typing import Final

import msgspec

from service import registry, tenants
from service.api.served import Served
from service.kit import clock, logs
from service.kit.settings import settings

log = logs.get(__name__)

_FORMAT: Final = 1
_LINES_AT_ONCE: Final = 200  # between two the thread that answers requests may have the interpreter
_YIELD_SECONDS: Final = 0.0005
_WRITE_ANYWAY: Final = 5  # pauses: a file says when it was current, so one that has not changed is written anew too


class Unusable(Exception):
    """The file is not a whole one of ours."""


class _Head(msgspec.Struct):
    format: int
    current_at: datetime
    keys: int
    aliases: int


class Keeper:
    """Writes what it is offered, in a thread of its own and at most every `resolve_snapshot_seconds`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offered: tuple[Served, datetime] | None = None
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshot", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """At once: what has not been written is Postgres's to tell."""
        self._stopping.set()
        self._news.set()

    def offer(self, served: Served, current_at: datetime) -> None:
        """Have it kept; the same object again need not be."""
        self._offered = served, current_at
        self._news.set()

    def _run(self) -> None:
        kept: Served | None = None
        passed = 0
        while self._news.wait() and not self._stopping.is_set():
            self._news.clear()
            if self._offered is not None and (self._offered[0] is not kept or passed >= _WRITE_ANYWAY):
                served, current_at = self._offered
                kept, passed = (served, 0) if self._keep(served, current_at) else (None, 0)
            passed += 1
            self._stopping.wait(settings().resolve_snapshot_seconds)

    def _keep(self, served: Served, current_at: datetime) -> bool:
        try:
            write(self._path, served.snapshot(), current_at)
        except OSError as error:
            log.warning("resolve.snapshot_not_written", path=str(self._path), reason=str(error))
            return False
        return True


def write(path: Path, snapshot: registry.Snapshot, current_at: datetime) -> None:
    """Put the snapshot in the place of what was there, at once and whole; mode 0600. Raises OSError."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            seal = _seal()
            lines = _lines(snapshot, current_at)
            while piece := b"".join(islice(lines, _LINES_AT_ONCE)):
                seal.update(piece)
                file.write(piece)
                sleep(_YIELD_SECONDS)
            file.write(seal.hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def read(path: Path) -> tuple[registry.Snapshot, datetime]:
    """What was kept, and when it was current. Raises OSError and Unusable."""
    content, parted, sealed = path.read_bytes().rpartition(b"\n")
    seal = _seal()
    seal.update(content + parted)
    if not hmac.compare_digest(seal.hexdigest().encode(), sealed):
        raise Unusable("it is not whole, or not of this installation")
    lines = content.split(b"\n")
    try:
        head = msgspec.json.decode(lines[0], type=_Head)
        if head.format != _FORMAT:
            raise Unusable(f"it has format {head.format}")
        key, alias = msgspec.json.Decoder(tenants.KeyRecord), msgspec.json.Decoder(registry.Resolution)
        records = [key.decode(line) for line in lines[1 : 1 + head.keys]]
        resolutions = [alias.decode(line) for line in lines[1 + head.keys :]]
    except msgspec.MsgspecError as error:
        raise Unusable(str(error)) from error
    return registry.Snapshot({one.key_id: one for one in records}, resolutions), head.current_at


def _lines(snapshot: registry.Snapshot, current_at: datetime) -> Iterator[bytes]:
    head = _Head(_FORMAT, current_at, len(snapshot.keys), len(snapshot.resolutions))
    encode = msgspec.json.Encoder().encode
    things: Iterable[object] = [head, *snapshot.keys.values(), *snapshot.resolutions]
    for one in things:
        yield encode(one) + b"\n"


def _seal() -> hmac.HMAC:
    return hmac.new(settings().key_pepper.get_secret_value().encode(), b"resolve-snapshot:", hashlib.sha256)


def restore(path: Path) -> tuple[registry.Snapshot, datetime] | None:
    """What was kept, unless there is nothing that may still be answered from."""
    try:
        snapshot, current_at = read(path)
    except FileNotFoundError:
        return None
    except (OSError, Unusable) as error:
        log.warning("resolve.snapshot_unusable", path=str(path), reason=str(error))
        return None
    age = (clock.now() - current_at).total_seconds()
    if age > settings().resolve_snapshot_age_seconds_max:
        log.warning("resolve.snapshot_outdated", path=str(path), age_seconds=int(age))
        return None
    return snapshot, current_at
