"""Object storage behind one set of verbs: a folder now, S3 by setting another URL.

Objects are written once under keys that never change their content; a write that breaks leaves nothing behind.
"""

import re
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from service.kit.errors import Unavailable
from service.kit.settings import settings

if TYPE_CHECKING:
    from obstore import GetOptions

CHUNK_BYTES: Final = 1024 * 1024
# obstore has no class of its own for these; the names are Rust's ErrorKind, the numbers ENOSPC, EFBIG and EDQUOT.
_FULL: Final = re.compile(r"StorageFull|QuotaExceeded|FileTooLarge|\(os error (?:28|27|122)\)")
_UNFINISHED: Final = re.compile(r"#\d+$")  # object_store's LocalFileSystem writes `key#1`, and renames it at the end


class StorageFull(Unavailable):
    """There is no room left to store this file. Nothing was kept; the platform team must make room."""

    code = "storage_full"
    status = 507


class StorageUnavailable(Unavailable):
    """The storage for files does not answer. Nothing was kept; please repeat the request."""

    code = "storage_unavailable"


@lru_cache
def store() -> ObjectStore:
    """The store of this process. `file:///folder` makes the folder; anything else is obstore's own URL syntax."""
    url = settings().storage_url
    if url.startswith("file://"):
        folder = Path(urlsplit(url).path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable(retry_after_seconds=5) from error
        return LocalStore(folder)
    return from_url(url)


async def write(key: str, chunks: AsyncIterable[bytes]) -> None:
    """Store a stream under `key` in constant memory; on any error nothing is left under the key.

    An error of the stream's own comes out as it is. Raises StorageFull or StorageUnavailable for the storage's.
    """
    with _translated():
        # Two parts at a time: with its usual twelve, a slow disk makes an upload take 60 MiB more.
        await obstore.put_async(store(), key, chunks, chunk_size=5 * CHUNK_BYTES, max_concurrency=2)


@contextmanager
def _translated() -> Iterator[None]:
    """What is the storage's fault as an error a caller can act on; FileNotFoundError stays what it is."""
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        if _FULL.search(str(error)):
            raise StorageFull from error
        raise StorageUnavailable(retry_after_seconds=5) from error


def make(key: str, chunks: Iterator[bytes]) -> None:
    """The same for a thread that makes the bytes itself, perhaps out of another object."""
    # Not put(): it would ask for the next chunk from inside its own runtime, where reading an object is not possible.
    with _translated(), obstore.open_writer(store(), key, buffer_size=5 * CHUNK_BYTES) as writer:
        for chunk in chunks:
            writer.write(chunk)


def read(key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The object's bytes from `start` up to `stop` or to its end, in chunks of about a megabyte.

    Raises FileNotFoundError when there is none, and StorageUnavailable, also where it has no byte at `start`.
    """
    wanted: GetOptions = {}
    if start or stop is not None:
        wanted = {"range": {"offset": start} if stop is None else (start, stop)}
    with _translated():
        for chunk in obstore.get(store(), key, options=wanted).stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


def size(key: str) -> int:
    """The object's size in bytes. Raises FileNotFoundError when there is none, or StorageUnavailable."""
    with _translated():
        return int(obstore.head(store(), key)["size"])


def rename(key: str, to: str) -> None:
    """Move an object; where one of that name exists, it is the same content and is replaced."""
    with _translated():
        obstore.rename(store(), key, to)


def delete(key: str) -> None:
    """Remove an object; removing one that is gone is fine."""
    with suppress(FileNotFoundError), _translated():
        obstore.delete(store(), key)


def clear(prefix: str) -> None:
    """Remove everything under `prefix`, whose parts are taken whole."""
    for keys in pages(prefix):
        for key in keys:
            delete(key)
    sweep_unfinished(prefix)


def pages(prefix: str, *, before: datetime | None = None) -> Iterator[list[str]]:
    """The keys under `prefix`, some at a time; with `before` those last written before that instant."""
    with _translated():
        for page in obstore.list(store(), prefix.rstrip("/")):
            yield [found["path"] for found in page if before is None or found["last_modified"] < before]


def sweep(prefix: str, *, before: datetime) -> int:
    """Remove objects under `prefix` that were last written before an instant; returns how many."""
    old = [key for keys in pages(prefix, before=before) for key in keys]
    for key in old:
        delete(key)
    return len(old) + sweep_unfinished(prefix, before=before)


def sweep_unfinished(prefix: str, *, before: datetime | None = None) -> int:
    """Remove what a killed process was writing under `prefix`, last before an instant; returns how many.

    A folder's store neither lists nor deletes such files. A bucket's are no objects: its own rules end them.
    """
    url = settings().storage_url
    if not url.startswith("file://"):
        return 0
    swept = 0
    with _translated():
        for path in (Path(urlsplit(url).path) / prefix).rglob("*#*"):
            with suppress(FileNotFoundError):  # written to its end, or removed by another
                if _UNFINISHED.search(path.name) and (before is None or path.stat().st_mtime < before.timestamp()):
                    path.unlink()
                    swept += 1
    return swept
