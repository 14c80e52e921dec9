"""What an upload leaves behind whose process was killed is swept away, and nothing else."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from service.cli.local import LocalStack
from service.datasets.flows import sweep_orphans, sweep_uploads
from service.kit import storage


async def one_byte() -> AsyncIterator[bytes]:
    yield b"x"


def test_only_old_uploads_are_swept(database: LocalStack) -> None:
    keys = ("incoming/a/old", "incoming/a/young", "datasets/a/old")
    for key in keys:
        asyncio.run(storage.write(key, one_byte()))
    folder = Path(database.folder / "objects")
    two_days_ago = time.time() - 2 * 24 * 3600
    for key in (keys[0], keys[2]):
        os.utime(folder / key, (two_days_ago, two_days_ago))
    sweep_uploads()
    assert [key for key in keys if (folder / key).exists()] == [keys[1], keys[2]]


KILLED = """
import os, sys, obstore
from obstore.store import LocalStore
writer = obstore.open_writer(LocalStore(sys.argv[1]), sys.argv[2], buffer_size=1024)
for _ in range(100):
    writer.write(b"x" * 1024)
os.kill(os.getpid(), 9)
"""


def unfinished(folder: Path, key: str) -> Path:
    """What a process leaves that is killed while it writes."""
    subprocess.run([sys.executable, "-c", KILLED, str(folder), key], timeout=60, check=False)
    return folder / f"{key}#1"


def test_what_was_being_written_is_swept_and_erased_too(database: LocalStack) -> None:
    for whole in ("datasets/b/whole", "datasets/nobodys"):
        asyncio.run(storage.write(whole, one_byte()))
    folder = Path(database.folder / "objects")
    keys = ("incoming/b/old", "incoming/b/young", "datasets/b/old", "datasets/b/young")
    left = [unfinished(folder, key) for key in keys]
    assert all(one.stat().st_size for one in left)
    two_days_ago = time.time() - 2 * 24 * 3600
    for one in (left[0], left[2]):
        os.utime(one, (two_days_ago, two_days_ago))
    sweep_uploads()
    sweep_orphans()
    assert [one.exists() for one in left] == [False, True, False, True]
    storage.clear("datasets/b/")
    assert not left[3].exists()
