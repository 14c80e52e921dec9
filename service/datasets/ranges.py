"""Ranges: a large dataset is cut along its segments, whoever is free reads one, and the last one calls for the merge.

Whoever changes both locks the dataset before a range of it, so that two last ones wait for each other, not for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import convert, to_builtins
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.datasets import queries
from service.datasets.models import Dataset, DatasetRange
from service.datasets.rules.digests import Segments
from service.datasets.rules.partial import Question
from service.datasets.rules.states import RangeState
from service.kit import ids, work
from service.kit.work import Claim


@dataclass(frozen=True, slots=True)
class RangeOrder:
    """What reading one range takes."""

    claim: Claim
    dataset_id: UUID
    storage_key: str
    bytes: int  # of the whole file
    number: int
    start: int
    stop: int
    sha256: str
    question: Question


@dataclass(frozen=True, slots=True)
class Merging:
    """What putting a dataset's ranges together takes: where each begins, in their order."""

    claim: Claim
    storage_key: str
    bytes: int
    starts: tuple[int, ...]
    question: Question


def cut(session: Session, claimed: Claim, segments: Segments, question: Question) -> None:
    """Let the dataset be read in ranges, one a segment; it waits for the last of them. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    row.question = to_builtins(question)
    for number, (start, stop) in enumerate(segments.bounds(row.bytes or 0)):
        session.add(
            DatasetRange(
                id=ids.new_id(),
                team_id=row.team_id,
                dataset_id=row.id,
                number=number,
                start=start,
                stop=stop,
                sha256=segments.sha256[number],
                state=RangeState.WAITING,
                due_at=func.clock_timestamp(),
            )
        )
    work.finish(row)


def of(session: Session, dataset: Dataset) -> Sequence[DatasetRange]:
    """Its ranges, in the file's order; none where it is read in one go."""
    owned = (DatasetRange.team_id == dataset.team_id, DatasetRange.dataset_id == dataset.id)
    return session.scalars(select(DatasetRange).where(*owned).order_by(DatasetRange.number)).all()


def merging(claimed: Claim, dataset: Dataset, ranges: Sequence[DatasetRange]) -> Merging | None:
    """What is to be put together; None while there is a range left to read, which will wake the dataset."""
    if any(one.state != RangeState.READ for one in ranges):
        work.finish(dataset)
        return None
    starts = tuple(one.start for one in ranges)
    return Merging(claimed, dataset.storage_key, dataset.bytes or 0, starts, convert(dataset.question, Question))


def begin(session: Session, claimed: Claim) -> RangeOrder:
    """What to read. Raises StaleClaim."""
    row = work.recording(session, DatasetRange, claimed)
    row.read_bytes = row.read_lines = 0
    dataset = queries.find(session, row.team_id, row.dataset_id)
    return RangeOrder(
        claimed, row.dataset_id, dataset.storage_key, dataset.bytes or 0, row.number, row.start, row.stop, row.sha256,
        convert(dataset.question, Question),
    )  # fmt: skip


def record(session: Session, order: RangeOrder, *, lines: int) -> None:
    """The range was read, and what it found lies in storage; the last one calls for the merge. Raises StaleClaim."""
    dataset = _lock(session, order)
    row = work.recording(session, DatasetRange, order.claim)
    row.state = RangeState.READ
    row.read_bytes, row.read_lines = row.stop - row.start, lines
    work.finish(row)
    session.flush()
    if all(one.state == RangeState.READ for one in of(session, dataset)):
        work.wake(dataset)


def give_up(session: Session, order: RangeOrder, reason: str) -> Dataset:
    """Leave the dataset to a person, who may have it read anew, from the cutting on. Raises StaleClaim."""
    dataset = _lock(session, order)
    work.recording(session, DatasetRange, order.claim)
    forget(session, dataset)
    work.ask_for_attention(dataset, reason)
    return dataset


def forget(session: Session, dataset: Dataset) -> None:
    """As if it had never been cut; whoever reads a range of it finds its claim stale."""
    owned = (DatasetRange.team_id == dataset.team_id, DatasetRange.dataset_id == dataset.id)
    session.execute(delete(DatasetRange).where(*owned))


def _lock(session: Session, order: RangeOrder) -> Dataset:
    found = (Dataset.team_id == order.claim.team, Dataset.id == order.dataset_id)
    return session.scalars(select(Dataset).where(*found).with_for_update()).one()
