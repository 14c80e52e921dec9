"""Which of several versions a key is served. The same function as the server's: docs/registry.md has vectors of it.

An exponential race, which is weighted rendezvous hashing: each version draws its own number from the key, and the
smallest in proportion to its weight wins. So a changed weight moves only keys between those whose shares have changed.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Final

_SIGNIFICANT_BITS: Final = 52  # a double holds 53 exactly, and the half is one of them


def choose(seed: str, key: str, weights: Mapping[int, int]) -> int:
    """The version that `key` is served; `weights` are the versions' shares, at least one above nothing."""
    racing = [(version, weight) for version, weight in weights.items() if weight > 0]
    if len(racing) == 1:
        return racing[0][0]
    return min((-math.log(_draw(seed, version, key)) / weight, version) for version, weight in racing)[1]


def _draw(seed: str, version: int, key: str) -> float:
    """Evenly spread between 0 and 1, neither of them included."""
    hashed = hashlib.sha256(f"{seed}:{version}:{key}".encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(hashed[:8], "big") >> (64 - _SIGNIFICANT_BITS)
    return (bits + 0.5) / (1 << _SIGNIFICANT_BITS)
