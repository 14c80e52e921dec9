"""A dataset's file and what was kept beside it, for whoever looks at a few lines of it: never read whole.

The row is read first, in a unit of its own; storage after it, with no transaction open. Bytes never change.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from service.datasets import queries
from service.datasets.errors import DatasetFileGone, DatasetNotIndexed
from service.datasets.models import Dataset
from service.datasets.rules.lines import Line
from service.datasets.rules.lookup import Lookup
from service.datasets.rules.report import Billing
from service.datasets.rules.states import aside_key
from service.kit import ids, storage


@dataclass(frozen=True, slots=True)
class Part:
    """An object with problems, whose lines are counted from `lines_before`."""

    key: str
    lines_before: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Where everything lies that a report speaks of. Without `parts`, only the report's own problems were kept."""

    id: UUID
    storage_key: str
    bytes: int
    format: str
    lines: int
    marks: Sequence[Sequence[int]] | None  # none: it was checked by an earlier release
    billing: tuple[Billing, ...]
    totals: dict[str, int]
    reported: Sequence[dict[str, Any]]
    parts: tuple[Part, ...] | None


def find(session: Session, team_id: UUID, dataset_id: UUID) -> Stored:
    """Of one of the team's datasets. Raises DatasetUnknown, and DatasetNotValidated while there is no report."""
    row = queries.reported(session, team_id, dataset_id)
    found = queries.facts_of(row)
    report = row.report or {}
    return Stored(
        row.id, row.storage_key, found.bytes, row.format or "", report["lines"], row.marks,
        found.billing, report["problem_totals"], report["problems"], _parts(row),
    )  # fmt: skip


def _parts(row: Dataset) -> tuple[Part, ...] | None:
    if row.problem_parts is None:
        return None
    return tuple(Part(aside_key(row.team_id, row.id, name), before) for name, before in row.problem_parts)


def lines(stored: Stored, wanted: Iterable[int]) -> Iterator[tuple[int, Line]]:
    """These lines, in their order, each with its number; takes about a MiB of the file for each.

    Raises DatasetNotIndexed, DatasetFileGone or StorageUnavailable.
    """
    if stored.marks is None:
        raise DatasetNotIndexed(id=ids.show("dset", stored.id))
    lookup = Lookup(stored.marks, stored.bytes, partial(_read, stored, stored.storage_key))
    for number in sorted(set(wanted)):
        yield number, lookup.line(number)


def ranged(stored: Stored, key: str, at: int, stop: int) -> Iterator[bytes]:
    """An object's bytes, asked for bit by bit: who needs no more takes no more. Raises DatasetFileGone."""
    while at < stop:
        end = min(at + storage.CHUNK_BYTES, stop)
        yield from _read(stored, key, at, end)
        at = end


def _read(stored: Stored, key: str, start: int, stop: int) -> Iterator[bytes]:
    try:
        yield from storage.read(key, start, stop)
    except FileNotFoundError as gone:
        raise DatasetFileGone(id=ids.show("dset", stored.id)) from gone
