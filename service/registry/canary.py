"""Which of several versions a key is served: the same one as long as their weights stay as they are. Pure.

An exponential race, which is weighted rendezvous hashing: each version draws its own number from the key, and the
smallest in proportion to its weight wins. docs/registry.md says it for other languages, with vectors.
"""

import hashlib
import math
from collections.abc import Iterable
from typing import Final, NamedTuple

WEIGHTS_SUM: Final = 10_000  # of one alias: hundredths of a percent
_BITS: Final = 52  # so that a double holds each draw exactly


class Target(NamedTuple):
    """A version that an alias serves, and its share in hundredths of a percent."""

    version: int
    weight: int


def choose(seed: str, key: str, targets: Iterable[Target]) -> int:
    """The version that `key` is served by the alias of this `seed`; at least one target must have a weight.

    When weights change, a key moves only from a version whose weight has fallen or to one whose weight has grown; of
    two versions exactly the difference moves.
    """
    racing = [one for one in targets if one.weight > 0]
    if len(racing) == 1:
        return racing[0].version
    return min((-math.log(_draw(seed, one.version, key)) / one.weight, one.version) for one in racing)[1]


def _draw(seed: str, version: int, key: str) -> float:
    """Evenly spread between 0 and 1, neither of them included."""
    hashed = hashlib.sha256(f"{seed}:{version}:{key}".encode()).digest()
    bits = int.from_bytes(hashed[:8], "big") >> (64 - _BITS)
    return (bits + 0.5) / (1 << _BITS)
