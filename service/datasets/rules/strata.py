"""Cutting every class of equal answers in the same proportion, so that a rare one is neither lost nor doubled.

A class of n examples gives n times the share for validation, rounded down or up: which, the largest remainders say, so
that the total is the one asked for. Each class is so within one example of its share in both parts.

Two passes over the file, and no memory but a count per class: the first counts the classes; the second lets each
example in with the chance that (still wanted / still to come) of its class gives (Knuth's selection sampling, TAOCP
2 §3.4.2, algorithm S), drawn from the example's own key. Holding all examples' classes to rank them would take memory
that grows with the file.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from hashlib import blake2b
from math import floor
from typing import Any, Final

from service.datasets.rules.splits import Split, beginning, key

# What has more different answers has no classes but free text; each would be a class of its own.
CLASSES_MAX: Final = 10_000


class TooManyClasses(Exception):
    """There are more than CLASSES_MAX different answers."""


def class_of(line: bytes) -> bytes:
    """The class of an example: 8 bytes of a hash of its answer, the spaces around it aside."""
    return blake2b(answer(json.loads(line)).strip().encode("utf-8", "surrogatepass"), digest_size=8).digest()


def answer(example: dict[str, Any]) -> str:
    """What is to be learned: the completion, or the text of the last message of the assistant; else nothing."""
    if isinstance(completion := example.get("completion"), str):
        return completion
    messages = example.get("preferred_output") or example.get("messages") or ()
    for message in reversed(messages):
        if message.get("role") == "assistant":
            return _text(message.get("content"))
    return ""


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def counted(classes: Iterable[bytes]) -> Counter[bytes]:
    """How many examples each class has. Raises TooManyClasses."""
    found: Counter[bytes] = Counter()
    for one in classes:
        found[one] += 1
        if len(found) > CLASSES_MAX:
            raise TooManyClasses
    return found


def quotas(split: Split, classes: Mapping[bytes, int]) -> dict[bytes, int]:
    """How many examples of each class are for validation."""
    examples = sum(classes.values())
    share = split.share(examples)
    exact = {one: count * share for one, count in classes.items()}
    found = {one: floor(quota) for one, quota in exact.items()}
    left = split.validation_examples(examples) - sum(found.values())

    def remainder(one: bytes) -> tuple[Fraction, bytes]:
        return found[one] - exact[one], one

    for one in sorted(found, key=remainder)[:left]:
        found[one] += 1
    return found


def for_validation(split: Split, classes: Mapping[bytes, int]) -> Callable[[int, bytes], bool]:
    """Tells, asked of every example once and in order by its number from 1 and its class, if it is for validation."""
    wanted, to_come = quotas(split, classes), dict(classes)
    start = beginning(split.seed)

    def choose(number: int, one: bytes) -> bool:
        chosen = key(start, number) * to_come[one] < wanted[one] << 64
        to_come[one] -= 1
        wanted[one] -= chosen
        return chosen

    return choose
