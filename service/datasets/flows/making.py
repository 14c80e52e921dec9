"""Making the bytes of a dataset out of another's: that one is read, and what its recipe makes is stored as it comes.

Constant memory, and the same bytes each time: a maker that takes over from a dead one, or races with it, writes the
same object again.
"""

import hashlib
from collections.abc import Iterator

from service.datasets import commands
from service.datasets.commands import Making
from service.datasets.flows.leases import give_up, renewing
from service.datasets.rules import recipes
from service.datasets.rules.digests import Digests, passing
from service.kit import clock, storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings


class _NotAsReceived(Exception):
    """The whole dataset's bytes are not those that were validated."""


def make(making: Making) -> bool:
    """Store the bytes and write down their hash; False where it cannot be made, or a person has to look.

    Raises StaleClaim.
    """
    digests = Digests(settings().segment_bytes)
    chunks = recipes.made(making.recipe, lambda: _whole(making), making.whole.examples)
    try:
        storage.make(making.storage_key, passing(chunks, digests.update))
    except FileNotFoundError:
        give_up(making.claim, "the stored file of the dataset it is a part of is gone")
        return False
    except _NotAsReceived:
        give_up(making.claim, "the stored file of the dataset it is a part of is not what was received")
        return False
    except recipes.CannotBeMade as reason:
        with unit_of_work(worker_for(making.claim.team), seconds=settings().worker_unit_seconds) as session:
            commands.refuse(session, making.claim, reason.code, clock.now())
        return False
    with unit_of_work(worker_for(making.claim.team), seconds=settings().worker_unit_seconds) as session:
        commands.made(session, making.claim, digests)
    return True


def _whole(making: Making) -> Iterator[bytes]:
    """The bytes it is made of. Raises _NotAsReceived after the last."""
    whole = hashlib.sha256()
    yield from passing(renewing(storage.read(making.whole.storage_key), making.claim), whole.update)
    if whole.hexdigest() != making.whole.sha256:
        raise _NotAsReceived
