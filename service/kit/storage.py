"""Object storage behind one set of verbs: a folder now, S3 by setting another URL.

Objects are written once under keys that never change their content; a write that breaks leaves nothing behind.
"""

from collections.abc import AsyncIterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from service.kit.settings import settings

CHUNK_BYTES: Final = 1024 * 1024


@lru_cache
def store() -> ObjectStore:
    """The store of this process. `file:///folder` makes the folder; anything else is obstore's own URL syntax."""
    url = settings().storage_url
    if url.startswith("file://"):
        folder = Path(urlsplit(url).path)
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    return from_url(url)


async def write(key: str, chunks: AsyncIterable[bytes]) -> None:
    """Store a stream under `key` in constant memory; on any error nothing is left under the key."""
    await obstore.put_async(store(), key, chunks, chunk_size=5 * CHUNK_BYTES)


def read(key: str) -> Iterator[bytes]:
    """The object's bytes, in chunks of about a megabyte. Raises FileNotFoundError when there is none."""
    for chunk in obstore.get(store(), key).stream(min_chunk_size=CHUNK_BYTES):
        yield bytes(chunk)


def size(key: str) -> int:
    """The object's size in bytes. Raises FileNotFoundError when there is none."""
    return int(obstore.head(store(), key)["size"])


def rename(key: str, to: str) -> None:
    """Move an object; where one of that name exists, it is the same content and is replaced."""
    obstore.rename(store(), key, to)


def delete(key: str) -> None:
    """Remove an object; removing one that is gone is fine."""
    try:
        obstore.delete(store(), key)
    except FileNotFoundError:
        return
