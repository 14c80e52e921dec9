"""What an upload leaves behind whose process was killed is swept away, and nothing else."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from service.cli.local import LocalStack
from service.datasets.flows import sweep_uploads
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
