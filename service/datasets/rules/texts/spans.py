"""Where something stands in a text."""

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """The rule it breaks, and from which character to which (counted from 0, the end not included)."""

    code: str
    start: int
    end: int


def apart(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In their order, without those that begin inside an earlier one; of two that begin together a secret stays.

    A password before a host looks like an address: it is the password that matters.
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, not span.code.startswith("secret_"), -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return tuple(kept)
