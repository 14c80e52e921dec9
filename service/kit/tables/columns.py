"""What a table's columns hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "money", "decimal", "integer", "date", "instant"]
Batch = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """A name and the kind of its values.

    `text` is str, `money` any Decimal of at most ten places, `decimal` one of at most eighteen, `integer` int, `date` a
    date, `instant` a datetime with a time zone.
    """

    name: str
    kind: Kind
