"""Making the bytes of a part: the whole dataset is read once, and what belongs to the part is stored as it comes.

Constant memory, and the same bytes each time: a maker that takes over from a dead one, or races with it, writes the
same object again.
"""

import hashlib
from collections.abc import Iterable, Iterator

from service.datasets import commands
from service.datasets.commands import Making
from service.datasets.flows.leases import give_up, renewing
from service.datasets.rules.lines import numbered
from service.datasets.rules.splits import Part, for_validation
from service.kit import storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings


class _NotAsReceived(Exception):
    """The whole dataset's bytes are not those that were validated."""


def make(making: Making) -> bool:
    """Store the part's bytes and write down their hash; False where a person has to look. Raises StaleClaim."""
    part = _Hashed(_examples(making))
    try:
        storage.make(making.storage_key, part.chunks())
    except FileNotFoundError:
        give_up(making.claim, "the stored file of the dataset it is a part of is gone")
        return False
    except _NotAsReceived:
        give_up(making.claim, "the stored file of the dataset it is a part of is not what was received")
        return False
    with unit_of_work(worker_for(making.claim.team), seconds=settings().worker_unit_seconds) as session:
        commands.made(session, making.claim, sha256=part.digest.hexdigest(), size=part.size)
    return True


def _examples(making: Making) -> Iterator[bytes]:
    """The part's lines in the whole's order, each with its newline. Raises _NotAsReceived after the last."""
    whole = _Hashed(renewing(storage.read(making.whole.storage_key), making.claim))
    is_for_validation = for_validation(making.split, making.whole.examples)
    wanted = making.part is Part.VALIDATION
    number = 0
    for _, line in numbered(whole.chunks()):
        if line and not line.isspace():
            number += 1
            if is_for_validation(number) is wanted:
                yield line + b"\n"
    if whole.digest.hexdigest() != making.whole.sha256:
        raise _NotAsReceived


class _Hashed:
    """Bytes passing by."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.digest = hashlib.sha256()
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        """All of them, hashed and counted on the way."""
        for chunk in self._chunks:
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk
