"""What reading a whole file and reading a range of one have in common."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from service.datasets.rules.checker import similarity
from service.datasets.rules.counting import Count
from service.datasets.rules.likeness import Verify
from service.datasets.rules.lookup import Lookup
from service.datasets.rules.partial import Question
from service.datasets.rules.report import Limit
from service.datasets.rules.whereabouts import Whereabouts
from service.provider import tokens


class NotAsReceived(Exception):
    """The stored bytes are not those whose hash was taken when they came."""


@contextmanager
def damage_told(give_up: Callable[[str], None]) -> Iterator[None]:
    """Leave to a person what reading again would not mend."""
    try:
        yield
    except FileNotFoundError:
        give_up("the stored file is gone")
    except NotAsReceived:
        give_up("the stored file is not what was received")


def verifier(found: Whereabouts, question: Question, size: int, read: Callable[[int, int], Iterable[bytes]]) -> Verify:
    """Compares two lines of a file of `size` bytes, to be asked when all of it has passed `found`."""
    lookup: Lookup | None = None

    def verify(line: int, other: int) -> float:
        nonlocal lookup
        lookup = lookup or Lookup(found.marks, size, read)
        one, two = lookup.line(line), lookup.line(other)
        return similarity(one, two, question.format.name) if one and two else 0.0

    return verify


def approximate(limits: Collection[Limit]) -> frozenset[str]:
    """The encodings among them that are not counted exactly."""
    return frozenset(limit.encoding for limit in limits if not tokens.is_exact(limit.encoding))


def counters(question: Question) -> dict[str, Count]:
    """What counts the tokens it asks for."""
    return {limit.encoding: tokens.counter(limit.encoding) for limit in question.limits}
