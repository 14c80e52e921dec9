"""The bytes of a dataset as they were received, read by whoever holds a row because of them."""

import hashlib
from collections.abc import Iterator

from service.datasets.flows.leases import Held
from service.datasets.queries import DatasetFacts
from service.datasets.rules.digests import passing
from service.kit import storage


class NotAsReceived(Exception):
    """The stored bytes are not those that were received, or made."""


def received(dataset: DatasetFacts, held: Held) -> Iterator[bytes]:
    """The dataset's bytes, for as long as the claim is held.

    Raises FileNotFoundError, StaleClaim, and NotAsReceived after the last.
    """
    whole = hashlib.sha256()
    yield from passing(passing(storage.read(dataset.storage_key), held.update), whole.update)
    if whole.hexdigest() != dataset.sha256:
        raise NotAsReceived
