"""Making the bytes of a dataset out of another's: that one is read, and what its recipe makes is stored as it comes.

Constant memory, and the same bytes each time: a maker that takes over from a dead one, or races with it, writes the
same object again.
"""

from service.datasets import commands
from service.datasets.commands import Making
from service.datasets.flows.leases import Held, give_up
from service.datasets.flows.received import NotAsReceived, received
from service.datasets.rules import recipes
from service.datasets.rules.digests import Digests, passing
from service.datasets.rules.preparing import CannotBePrepared
from service.kit import clock, storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings


def make(making: Making) -> bool:
    """Store the bytes and write down their hash; False where it cannot be made, or a person has to look.

    Raises StaleClaim.
    """
    digests = Digests(settings().segment_bytes)
    chunks = recipes.made(
        making.recipe, lambda: received(making.whole, Held(making.claim)), making.whole.examples, system=making.system
    )
    try:
        storage.make(making.storage_key, passing(chunks, digests.update))
    except FileNotFoundError:
        give_up(making.claim, "the stored file of the dataset it is a part of is gone")
        return False
    except (NotAsReceived, CannotBePrepared):  # what was examined can be read
        give_up(making.claim, "the stored file of the dataset it is a part of is not what was received")
        return False
    except recipes.CannotBeMade as reason:
        with unit_of_work(worker_for(making.claim.team), seconds=settings().worker_unit_seconds) as session:
            commands.refuse(session, making.claim, reason.code, clock.now())
        return False
    with unit_of_work(worker_for(making.claim.team), seconds=settings().worker_unit_seconds) as session:
        commands.made(session, making.claim, digests)
    return True
