"""Writing datasets: receiving one, and what a worker does to the row it has claimed."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from msgspec import convert, to_builtins
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.datasets import queries, ranges
from service.datasets.models import LIVE_AND_POSTED, Dataset
from service.datasets.queries import DatasetFacts
from service.datasets.ranges import Merging, RangeOrder
from service.datasets.room import take_room
from service.datasets.rules.digests import Digests, Segments
from service.datasets.rules.recipes import leaves_something, needs_verdict
from service.datasets.rules.report import Limit, Report, refusal
from service.datasets.rules.splits import Part
from service.datasets.rules.states import UNDER_WAY, State, content_key, may_follow
from service.datasets.rules.whereabouts import Whereabouts
from service.datasets.schemas.datasets import DatasetView
from service.kit import ids, work
from service.kit.identity import Actor, worker_for
from service.kit.work import Claim


def receive(
    session: Session,
    actor: Actor,
    dataset_id: UUID,
    *,
    filename: str,
    name: str | None,
    digests: Digests,
) -> tuple[DatasetView, bool]:
    """The dataset of these bytes, and whether it is new. A new one is due to be validated; a known one stays as it is.

    A new one has this id and its bytes lie under its `content_key` already. Two uploads of the same bytes at once make
    one dataset. Raises quotas.StorageLimitReached where they do not fit into what the team may store.
    """
    values = {
        "id": dataset_id,
        "team_id": actor.team,
        "name": name or PurePosixPath(filename).stem[:100] or filename[:100],
        "filename": filename,
        "sha256": digests.sha256,
        "bytes": digests.size,
        "segments": to_builtins(digests.segments),
        "storage_key": content_key(actor.team, dataset_id),
        "created_by": actor.name,
        "state": State.RECEIVED,
        "due_at": func.clock_timestamp(),
    }
    made = session.execute(
        insert(Dataset)
        .values(values)
        .on_conflict_do_nothing(index_elements=["team_id", "sha256"], index_where=LIVE_AND_POSTED)
        .returning(Dataset.id)
    ).scalar()
    view = queries.same_bytes(session, actor.team, digests.sha256)
    if view is None:  # what stood in the way has been deleted meanwhile
        return receive(session, actor, dataset_id, filename=filename, name=name, digests=digests)
    if made is not None:
        take_room(session, actor.team, digests.size)
        audit.record(
            session,
            actor,
            "dataset.received",
            object_type="dataset",
            object_id=view.id,
            team_id=actor.team,
            after={"filename": filename, "sha256": digests.sha256, "bytes": digests.size},
        )
    return view, made is not None


@dataclass(frozen=True, slots=True)
class Order:
    """What validating one dataset takes."""

    claim: Claim
    storage_key: str
    sha256: str
    bytes: int
    segments: Segments | None  # none: the file was received before they were kept
    limits: tuple[Limit, ...]
    trains: bool


@dataclass(frozen=True, slots=True)
class Making:
    """What making the bytes of a dataset out of another's takes."""

    claim: Claim
    storage_key: str
    recipe: dict[str, Any]
    system: str | None
    whole: DatasetFacts


def begin(session: Session, claimed: Claim, at: datetime) -> Order | Making | Merging | None:
    """Mark the claimed dataset as being validated, and say what to do.

    A part without bytes has to be made before; ranges that were read are put together. None where there is nothing to
    do: it waits for its ranges or for the dataset it is a part of, shares its fate, or waits for a person. Raises
    StaleClaim.
    """
    row = work.recording(session, Dataset, claimed)
    if row.recipe is not None and row.parent_id is not None and row.sha256 is None:
        return _making(session, claimed, row, queries.find(session, claimed.team, row.parent_id), at)
    _enter(row, State.VALIDATING)
    if cut := ranges.of(session, row):
        return ranges.merging(claimed, row, cut)
    row.read_since, row.read_bytes, row.read_lines = func.clock_timestamp(), 0, 0
    segments = convert(row.segments, Segments | None)
    limits = queries.limits(session, claimed.team, at)
    trains = row.recipe is None or row.recipe.get("part") != Part.VALIDATION
    return Order(claimed, row.storage_key, row.sha256 or "", row.bytes or 0, segments, limits, trains)


def _making(session: Session, claimed: Claim, row: Dataset, whole: Dataset, at: datetime) -> Making | None:
    recipe = row.recipe or {}
    must_be_ready = needs_verdict(recipe) or whole.sha256 is None
    if whole.attention is not None:
        give_up(session, claimed, "the dataset it is a part of needs a person")
    elif whole.state in UNDER_WAY and must_be_ready:
        work.back_off(row, seconds=work.pause_while_waiting(at - row.created_at), blameless=True)
    elif whole.state == State.INVALID and must_be_ready:
        refuse(session, claimed, "whole_invalid", at)
    elif not leaves_something(recipe, whole.examples or 0):
        refuse(session, claimed, "empty_part", at)
    else:
        return Making(claimed, row.storage_key, recipe, row.system, queries.facts_of(whole))
    return None


def refuse(session: Session, claimed: Claim, code: str, at: datetime) -> None:
    """The dataset cannot be made of its parent, for the reason that this code of a problem names. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    whole = queries.find(session, claimed.team, row.parent_id) if row.parent_id else row
    _enter(row, State.VALIDATING)
    conclude(session, claimed, refusal(whole.format or "", code), at)


def made(session: Session, claimed: Claim, digests: Digests) -> None:
    """The part's bytes lie in storage. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    row.sha256, row.bytes, row.segments = digests.sha256, digests.size, to_builtins(digests.segments)


def conclude(
    session: Session, claimed: Claim, report: Report, at: datetime, *, found: Whereabouts | None = None
) -> State:
    """Keep the report, the verdict and where to find what it speaks of. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    verdict = State.READY if report.is_ready else State.INVALID
    _enter(row, verdict)
    row.validated_at = at
    row.format, row.examples = report.format, report.examples
    row.errors, row.warnings = report.errors, report.warnings
    row.billing, row.report = report.billing_json(), report.as_json()
    if found is not None:
        row.marks, row.problem_parts, row.sketch = found.marks, found.problem_parts, report.sketch or None
    work.finish(row)
    told = webhooks.EventType.DATASET_READY if verdict is State.READY else webhooks.EventType.DATASET_INVALID
    webhooks.publish(session, row.team_id, told, at, id=ids.show("dset", row.id), state=verdict)
    _hint(session, row)
    audit.record(
        session,
        worker_for(claimed.team),
        "dataset.validated",
        object_type="dataset",
        object_id=ids.show("dset", row.id),
        after={"state": verdict, "examples": report.examples, "errors": report.errors, "warnings": report.warnings},
    )
    return verdict


def give_up(session: Session, claimed: Claim, reason: str) -> None:
    """Leave the dataset to a person: trying again would bring the same. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    ranges.forget(session, row)
    work.ask_for_attention(row, reason)
    _hint(session, row)


def give_up_range(session: Session, order: RangeOrder, reason: str) -> None:
    """The same for whoever reads a range of it. Raises StaleClaim."""
    _hint(session, ranges.give_up(session, order, reason))


def _hint(session: Session, row: Dataset) -> None:
    """Tell those who wait for the verdict."""
    session.execute(select(func.pg_notify("datasets_checked", str(row.id))))


def _enter(row: Dataset, state: State) -> None:
    current = State(row.state)
    if not may_follow(current, state):
        raise AssertionError(f"dataset {row.id}: no arrow from {current} to {state}")
    row.state = state
