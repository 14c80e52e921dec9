"""Datasets made of others: asking for one writes a row, which a worker then makes and checks.

A dataset made of another is known by its parent and its recipe, so the same request gives the same dataset again.
"""

from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit
from service.datasets import queries
from service.datasets.errors import DatasetNotDivisible, NothingLeft, SubsetTooLarge
from service.datasets.models import LIVE, Dataset
from service.datasets.room import check_room
from service.datasets.rules.splits import Part, Split, Subset
from service.datasets.rules.states import DIVISIBLE, State, content_key
from service.kit import ids
from service.kit.identity import Actor


def derive_split(
    session: Session,
    actor: Actor,
    dataset_id: UUID,
    *,
    seed: int,
    validation_fraction: Decimal | None = None,
    validation_count: int | None = None,
    by_answer: bool = False,
    pointer: str | None = None,
) -> tuple[UUID, UUID]:
    """The parts to train and to validate on, which a worker makes and checks; asked for again, the same two.

    Raises DatasetUnknown, DatasetNotDivisible and, as far as the examples are counted yet, NothingLeft.
    """
    whole = _divisible(session, actor, dataset_id, pointer)
    split = Split(seed, validation_fraction, validation_count, by_answer)
    if whole.examples is not None and not split.leaves_something(whole.examples):
        raise NothingLeft(asked=split.validation_examples(whole.examples), examples=whole.examples, pointer=pointer)
    train, validation = (
        made_of(session, actor, whole, split.recipe(part), word=part) for part in (Part.TRAIN, Part.VALIDATION)
    )
    return train, validation


def derive_subset(
    session: Session,
    actor: Actor,
    dataset_id: UUID,
    *,
    seed: int,
    fraction: Decimal | None = None,
    count: int | None = None,
) -> UUID:
    """A part of the examples, which a worker makes and checks; with the same seed it lies within every larger one.

    Raises DatasetUnknown, DatasetNotDivisible and, as far as the examples are counted yet, SubsetTooLarge.
    """
    whole = _divisible(session, actor, dataset_id, None)
    subset = Subset(seed, fraction, count)
    if whole.examples is not None and not subset.can_be_taken(whole.examples):
        raise SubsetTooLarge(asked=subset.examples(whole.examples), examples=whole.examples, pointer="#/count")
    return made_of(session, actor, whole, subset.recipe(), word="subset")


def _divisible(session: Session, actor: Actor, dataset_id: UUID, pointer: str | None) -> Dataset:
    whole = queries.find(session, actor.team, dataset_id, pointer=pointer, kept=True)
    if whole.state not in DIVISIBLE:
        raise DatasetNotDivisible(id=ids.show("dset", whole.id), state=whole.state, pointer=pointer)
    return whole


def made_of(
    session: Session, actor: Actor, whole: Dataset, recipe: dict[str, Any], *, word: str, system: str | None = None
) -> UUID:
    """The row of what this recipe makes of `whole`, new or known, due to be made. `word` goes into its names.

    Raises quotas.StorageLimitReached where the team has no room for as much again as the whole takes.
    """
    new_id = ids.new_id()
    values = {
        "id": new_id,
        "team_id": whole.team_id,
        "name": f"{whole.name[:80]} ({word})",
        "filename": f"{PurePosixPath(whole.filename).stem[:200]}.{word}.jsonl",
        "parent_id": whole.id,
        "recipe": recipe,
        "system": system,
        "storage_key": content_key(whole.team_id, new_id),
        "created_by": actor.name,
        "state": State.RECEIVED,
        "due_at": func.clock_timestamp(),
    }
    take = insert(Dataset).values(values)
    take = take.on_conflict_do_nothing(index_elements=["team_id", "parent_id", "recipe"], index_where=LIVE)
    if session.execute(take.returning(Dataset.id)).scalar() is None:
        known = queries.part(session, whole, recipe)
        # None: what stood in the way has been deleted meanwhile.
        return known or made_of(session, actor, whole, recipe, word=word, system=system)
    check_room(session, whole.team_id, whole.bytes or 1)
    audit.record(
        session, actor, "dataset.derived", object_type="dataset", object_id=ids.show("dset", new_id),
        team_id=whole.team_id, after={"parent": ids.show("dset", whole.id), "recipe": recipe},
    )  # fmt: skip
    return new_id
