"""Wait for something to become true, instead of sleeping for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.02


def until(predicate: Callable[[], T | None], *, within: float = 10, what: str = "") -> T:
    """Ask until the answer is truthy and return it; AssertionError with the last answer after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or predicate}; the last answer was {answer!r}")
        time.sleep(_POLL_SECONDS)
    return answer
