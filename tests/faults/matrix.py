"""The register of faults: what is broken, how, what is expected, and the function that does it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.site import Site


class Draw(random.Random):
    """The choices of one run of a fault: the same for the same seeds."""

    def __init__(self, label: str, seeds: Sequence[int]) -> None:
        super().__init__(f"{label} {list(seeds)}")
        self.seeds = seeds


Play = Callable[[Site, Draw], str]
"""Breaks the site, heals it, and tells its figures. What is still to end then, is waited for by whoever plays it."""


@dataclass(frozen=True)
class Entry:
    """One line of the matrix. A number is that of reference/reliability.md §5.4."""

    label: str
    name: str
    injection: str
    expected: str
    play: Play
    seeds: int = 1
    together: bool = False  # all seeds at once, in one play
    speed: float = 200
    start: dict[str, Any] = field(default_factory=dict)  # how its site is started: workers, concurrency, mutate
    settings: dict[str, str] = field(default_factory=dict)
    proxied: bool = False
    check: tuple[str, ...] = ()  # options for the checker
    must_break: str | None = None  # a mutation: passes only when the checker finds this invariant broken

    @property
    def ground(self) -> tuple[object, ...]:
        """Entries with the same ground are played on one site, one after the other."""
        return (self.speed, repr(self.start), repr(self.settings), self.proxied, self.check, self.must_break)


ENTRIES: Final[list[Entry]] = []


def fault(label: int | str, name: str, *, injection: str, expected: str, **options: Any) -> Callable[[Play], Play]:
    """Register a fault."""

    def register(play: Play) -> Play:
        shown = f"fault {label}" if isinstance(label, int) else label
        ENTRIES.append(Entry(shown, name, injection, expected, play, **options))
        return play

    return register
