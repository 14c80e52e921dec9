"""A team's datasets, put and made without an API or a worker process: the test is both."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from service import datasets
from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.models import Dataset, DatasetRange
from service.datasets.rules.states import content_key
from service.kit import clock, ids, storage
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.settings import settings
from service.tenants import TeamFacts
from tests.tenants.factories import a_team, acting_for


class Shelf:
    """What one team has put there."""

    def __init__(self, team: TeamFacts | None = None) -> None:
        self.team = team or a_team()
        self.actor = acting_for(self.team)

    def put(self, content: bytes, filename: str = "tide.jsonl") -> UUID:
        """A dataset that is still to be checked."""
        digests = datasets.Digests(settings().segment_bytes)
        digests.update(content)
        dataset_id = ids.new_id()
        storage.make(content_key(self.team.id, dataset_id), iter([content]))
        with unit_of_work(self.actor) as session:
            view, _ = datasets.receive(session, self.actor, dataset_id, filename=filename, name=None, digests=digests)
        return ids.read("dset", view.id)

    def checked(self, content: bytes) -> UUID:
        dataset = self.put(content)
        self.validate(dataset)
        return dataset

    def validate(self, dataset: UUID) -> None:
        """As workers would, in ranges where it is large."""
        flows.validate([dataset])
        if ranges := self.ranges(dataset):
            flows.read_ranges([one.id for one in ranges])
            flows.validate([dataset])

    def ranges(self, dataset: UUID) -> Sequence[DatasetRange]:
        owned = select(DatasetRange).where(DatasetRange.dataset_id == dataset).order_by(DatasetRange.number)
        with unit_of_work(self.actor) as session:
            return session.scalars(owned).all()

    def split(self, dataset: UUID, **how: Any) -> tuple[UUID, UUID]:
        with unit_of_work(self.actor) as session:
            return datasets.derive_split(session, self.actor, dataset, **{"seed": 0, **how})

    def subset(self, dataset: UUID, **how: Any) -> UUID:
        with unit_of_work(self.actor) as session:
            return datasets.derive_subset(session, self.actor, dataset, **{"seed": 0, **how})

    def prepare(self, dataset: UUID, **wish: Any) -> UUID:
        with unit_of_work(self.actor) as session:
            view = datasets.prepare(session, self.actor, dataset, datasets.PrepareRequest.model_validate(wish))
        return ids.read("prep", view.id)

    def preparation(self, dataset: UUID, preparation: UUID) -> datasets.PreparationView:
        with unit_of_work(self.actor) as session:
            return datasets.get_preparation(session, self.team.id, dataset, preparation)

    def apply(self, dataset: UUID, preparation: UUID, *accept: str) -> UUID:
        with unit_of_work(self.actor) as session:
            return datasets.apply_preparation(session, self.actor, dataset, preparation, accept=accept)

    def view(self, dataset: UUID) -> datasets.DatasetView:
        with unit_of_work(self.actor) as session:
            return datasets.get(session, self.team.id, dataset)

    def row(self, dataset: UUID) -> Dataset:
        with unit_of_work(self.actor) as session:
            return session.scalars(select(Dataset).where(Dataset.id == dataset)).one()

    def lines(self, dataset: UUID) -> list[bytes]:
        return b"".join(storage.read(self.row(dataset).storage_key)).splitlines()

    def errors(self, dataset: UUID) -> list[str]:
        """The codes of what its report blames it for."""
        with unit_of_work(self.actor) as session:
            report = datasets.report(session, self.team.id, dataset, clock.now())
        return [one.code for one in report.problems if one.severity == "error"]


def make_due(*wanted: UUID) -> None:
    """Age datasets that wait."""
    with unit_of_work(WORKER) as session:
        session.execute(update(Dataset).where(Dataset.id.in_(wanted)).values(due_at=func.clock_timestamp()))


def owners(stack: LocalStack, team: UUID) -> set[str]:
    """Whose the objects are that lie in storage for the team: ids of datasets."""
    folder = stack.folder / "objects" / "datasets" / str(team)
    return {one.relative_to(folder).parts[0] for one in folder.rglob("*") if one.is_file()}
