"""Preparations: a file is examined by a worker, somebody looks at the steps, and those accepted make a new dataset."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit
from service.datasets import deriving, queries
from service.datasets.errors import DatasetNotPreparable, PreparationNotReady, PreparationUnknown, StepUnknown
from service.datasets.models import Dataset, Preparation
from service.datasets.queries import DatasetFacts
from service.datasets.rules import preparing
from service.datasets.rules.preparing import Columns, Wish
from service.datasets.rules.states import UNDER_WAY, PreparationState, State
from service.datasets.schemas.preparations import PreparationView, PrepareRequest
from service.kit import ids, work
from service.kit.identity import Actor
from service.kit.work import Claim


def prepare(session: Session, actor: Actor, dataset_id: UUID, request: PrepareRequest) -> PreparationView:
    """The preparation of this dataset for this wish, new or known; a new one is due to be examined by a worker.

    Raises DatasetUnknown and DatasetNotPreparable.
    """
    dataset = _preparable(session, actor, dataset_id)
    wish, new_id = request.wish(), ids.new_id()
    values = {
        "id": new_id, "team_id": actor.team, "dataset_id": dataset.id, "wish": wish, "system": request.system,
        "created_by": actor.name, "state": PreparationState.READING, "due_at": func.clock_timestamp(),
    }  # fmt: skip
    take = insert(Preparation).values(values).on_conflict_do_nothing(index_elements=["team_id", "dataset_id", "wish"])
    if session.execute(take.returning(Preparation.id)).scalar() is not None:
        audit.record(
            session, actor, "dataset.preparation_asked", object_type="preparation", object_id=ids.show("prep", new_id),
            team_id=actor.team, after={"dataset": ids.show("dset", dataset.id), "to": request.to},
        )  # fmt: skip
    made_so = (
        Preparation.team_id == actor.team, Preparation.dataset_id == dataset.id, Preparation.wish == wish,
    )  # fmt: skip
    return view(session.scalars(select(Preparation).where(*made_so)).one())


def apply_preparation(
    session: Session, actor: Actor, dataset_id: UUID, preparation_id: UUID, *, accept: Collection[str]
) -> UUID:
    """The dataset that all necessary and the accepted steps make, new or known; a worker makes and checks it.

    Raises PreparationUnknown, PreparationNotReady, StepUnknown and DatasetNotPreparable.
    """
    row = find(session, actor.team, dataset_id, preparation_id)
    if row.findings is None:
        wait = 1 if row.state == PreparationState.READING and row.attention is None else None
        raise PreparationNotReady(state=row.state, retry_after_seconds=wait)
    try:
        recipe = preparing.recipe_of(
            row.findings, to=row.wish["to"], system_sha256=row.wish["system_sha256"], accept=accept
        )
    except preparing.UnknownStep as unknown:
        steps = ", ".join(step["id"] for step in row.findings["steps"])
        raise StepUnknown(step=str(unknown), steps=steps, pointer="#/accept") from None
    whole = _preparable(session, actor, dataset_id)
    return deriving.made_of(session, actor, whole, recipe, word="prepared", system=row.system)


def _preparable(session: Session, actor: Actor, dataset_id: UUID) -> Dataset:
    """One whose bytes are there, or will be."""
    dataset = queries.find(session, actor.team, dataset_id, kept=True)
    if dataset.state == State.ARCHIVED or (dataset.sha256 is None and dataset.state not in UNDER_WAY):
        raise DatasetNotPreparable(id=ids.show("dset", dataset.id), state=dataset.state)
    return dataset


def find(session: Session, team_id: UUID, dataset_id: UUID, preparation_id: UUID) -> Preparation:
    """The row. Raises PreparationUnknown."""
    row = session.scalars(
        select(Preparation).where(
            Preparation.team_id == team_id, Preparation.dataset_id == dataset_id, Preparation.id == preparation_id
        )
    ).one_or_none()
    if row is None:
        raise PreparationUnknown(id=ids.show("prep", preparation_id))
    return row


def get_preparation(session: Session, team_id: UUID, dataset_id: UUID, preparation_id: UUID) -> PreparationView:
    """One of a dataset's preparations. Raises PreparationUnknown."""
    return view(find(session, team_id, dataset_id, preparation_id))


def preparations_under_way(session: Session, team_id: UUID, preparations: Collection[UUID]) -> dict[UUID, str]:
    """Those of `preparations` that are still being read, with their states."""
    rows = session.execute(
        select(Preparation.id, Preparation.state).where(
            Preparation.team_id == team_id,
            Preparation.id.in_(preparations),
            Preparation.state == PreparationState.READING,
            Preparation.attention.is_(None),
        )
    )
    return {row.id: row.state for row in rows}


def view(row: Preparation) -> PreparationView:
    """The row as shown."""
    found: dict[str, Any] = row.findings or {"steps": [], "notes": []}
    source = dict(found["source"]) if "source" in found else None
    if source is not None:
        layout = source.pop("layout")
        source |= {"format": layout["format"], "sheet": layout["sheet"] or None}
    return PreparationView.model_validate(
        {
            "id": ids.show("prep", row.id),
            "dataset": ids.show("dset", row.dataset_id),
            "state": row.state,
            "to": row.wish["to"],
            "system": row.system,
            "problem": row.problem,
            "source": source,
            **{name: found.get(name) for name in ("columns", "rows", "examples", "steps", "notes", "advice")},
            "attention": row.attention,
            "created_at": row.created_at,
            "created_by": row.created_by,
        }
    )


@dataclass(frozen=True, slots=True)
class Examining:
    """What examining a file takes."""

    claim: Claim
    dataset: DatasetFacts
    wish: Wish


def begin(session: Session, claimed: Claim, at: datetime) -> Examining | None:
    """What to examine; none where the dataset has no bytes yet, or will never have any. Raises StaleClaim."""
    row = work.recording(session, Preparation, claimed)
    dataset = queries.find(session, claimed.team, row.dataset_id)
    if dataset.sha256 is not None:
        columns = Columns(row.wish["columns"]["prompt"], row.wish["columns"]["completion"])
        return Examining(claimed, queries.facts_of(dataset), Wish(row.wish["to"], columns, row.wish["sheet"]))
    if dataset.state in UNDER_WAY and dataset.attention is None:
        work.back_off(row, seconds=work.pause_while_waiting(at - row.created_at), blameless=True)
    else:
        give_up(session, claimed, "the dataset to prepare could not be made")
    return None


def conclude(
    session: Session, claimed: Claim, *, findings: dict[str, Any] | None = None, problem: dict[str, str] | None = None
) -> None:
    """Keep what was found, or why the file is refused. Raises StaleClaim."""
    row = work.recording(session, Preparation, claimed)
    row.findings, row.problem = findings, problem
    row.state = PreparationState.REFUSED if findings is None else PreparationState.READY
    work.finish(row)
    _hint(session, row)


def give_up(session: Session, claimed: Claim, reason: str) -> None:
    """Leave it to a person: trying again would bring the same. Raises StaleClaim."""
    row = work.recording(session, Preparation, claimed)
    work.ask_for_attention(row, reason)
    _hint(session, row)


def _hint(session: Session, row: Preparation) -> None:
    """Tell those who wait for it."""
    session.execute(select(func.pg_notify("datasets_checked", str(row.id))))
