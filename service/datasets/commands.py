"""Writing datasets: receiving one, and what a worker does to the row it has claimed."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, webhooks
from service.datasets import queries
from service.datasets.models import Dataset
from service.datasets.rules.report import Limit, Report
from service.datasets.rules.states import State, may_follow
from service.datasets.schemas import DatasetView
from service.kit import ids, work
from service.kit.identity import Actor, worker_for
from service.kit.work import Claim


def receive(
    session: Session, actor: Actor, *, filename: str, name: str | None, sha256: str, size: int, storage_key: str
) -> tuple[DatasetView, bool]:
    """The dataset of these bytes, and whether it is new. A new one is due to be validated; a known one stays as it is.

    The bytes lie under `storage_key` already. Two uploads of the same bytes at once make one dataset.
    """
    values = {
        "id": ids.new_id(),
        "team_id": actor.team,
        "name": name or PurePosixPath(filename).stem[:100] or filename[:100],
        "filename": filename,
        "sha256": sha256,
        "bytes": size,
        "storage_key": storage_key,
        "created_by": actor.name,
        "state": State.RECEIVED,
        "due_at": func.clock_timestamp(),
    }
    made = session.execute(
        insert(Dataset)
        .values(values)
        .on_conflict_do_nothing(index_elements=["team_id", "sha256"])
        .returning(Dataset.id)
    ).scalar()
    view = queries.same_bytes(session, actor.team, sha256)
    if view is None:
        raise AssertionError("a dataset that conflicts can be read")
    if made is not None:
        audit.record(
            session,
            actor,
            "dataset.received",
            object_type="dataset",
            object_id=view.id,
            team_id=actor.team,
            after={"filename": filename, "sha256": sha256, "bytes": size},
        )
    return view, made is not None


@dataclass(frozen=True, slots=True)
class Order:
    """What validating one dataset takes."""

    claim: Claim
    storage_key: str
    sha256: str
    bytes: int
    limits: tuple[Limit, ...]


def begin(session: Session, claimed: Claim, at: datetime) -> Order:
    """Mark the claimed dataset as being validated, and say what to do. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    _enter(row, State.VALIDATING)
    limits = queries.limits(session, claimed.team, at)
    return Order(claimed, row.storage_key, row.sha256 or "", row.bytes or 0, limits)


def conclude(session: Session, claimed: Claim, report: Report, at: datetime) -> State:
    """Keep the report and the verdict. Raises StaleClaim."""
    row = work.recording(session, Dataset, claimed)
    verdict = State.READY if report.is_ready else State.INVALID
    _enter(row, verdict)
    row.validated_at = at
    row.format, row.examples = report.format, report.examples
    row.errors, row.warnings = report.errors, report.warnings
    row.billing, row.report = report.billing_json(), report.as_json()
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
    work.ask_for_attention(row, reason)
    _hint(session, row)


def _hint(session: Session, row: Dataset) -> None:
    """Tell those who wait for the verdict."""
    session.execute(select(func.pg_notify("datasets_checked", str(row.id))))


def _enter(row: Dataset, state: State) -> None:
    current = State(row.state)
    if not may_follow(current, state):
        raise AssertionError(f"dataset {row.id}: no arrow from {current} to {state}")
    row.state = state
