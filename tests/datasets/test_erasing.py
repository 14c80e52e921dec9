"""Deleting datasets: not while somebody needs them, then wholly, here and at the provider; the row tells what was."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from service import datasets, quotas
from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.errors import DatasetErased, DatasetInUse, DatasetNotMade, PartsBeingMade
from service.datasets.models import Dataset
from service.datasets.rules.states import State, aside_key
from service.kit import clock, ids, storage
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import new_id
from service.quotas import LimitsSet
from tests.datasets.factories import Shelf, make_due, owners
from tests.jobs.factories import Desk
from tests.stack import conversations


class Bin(Shelf):
    """A team's datasets, and how they go."""

    def erase(self, dataset: UUID, *, with_parts: bool = False) -> datasets.DatasetView:
        with unit_of_work(self.actor) as session:
            return datasets.erase(session, self.actor, dataset, clock.now(), with_parts=with_parts)

    def work(self, *wanted: UUID) -> None:
        """As a worker would, after every lease has lapsed."""
        with unit_of_work(self.actor) as session:
            session.execute(update(Dataset).where(Dataset.id.in_(wanted)).values(lease_until=None))
        flows.erase(wanted)

    def age(self, dataset: UUID, days: float) -> None:
        with unit_of_work(self.actor) as session:
            then = clock.now() - timedelta(days=days)
            session.execute(update(Dataset).where(Dataset.id == dataset).values(created_at=then))

    def stored(self) -> int:
        with read_only(self.actor) as session:
            return datasets.stored_bytes(session, self.team.id)

    def audited(self, dataset: UUID) -> list[str]:
        told = text("SELECT action FROM audit_entries WHERE object_id = :id ORDER BY id")
        with read_only(CLI) as session:
            return list(session.scalars(told, {"id": ids.show("dset", dataset)}))


@pytest.fixture
def bin_(quiet: LocalStack) -> Bin:
    return Bin()


def test_what_is_deleted_leaves_a_tombstone_and_nothing_else(bin_: Bin, quiet: LocalStack) -> None:
    content = conversations()
    dataset, other = bin_.checked(content), bin_.checked(conversations(topic="other"))
    storage.make(aside_key(bin_.team.id, dataset, "problems/all.jsonl"), iter([b"x"]))
    view = bin_.erase(dataset)
    assert (view.state, view.erased_at, bin_.stored()) == (State.ARCHIVED, None, len(conversations(topic="other")))
    assert view.erase_requested_at is not None
    bin_.work(dataset)
    assert owners(quiet, bin_.team.id) == {str(other)}
    row = bin_.row(dataset)
    assert row.erased_at is not None
    assert row.due_at is None
    assert (row.sha256, row.bytes, row.examples) == (hashlib.sha256(content).hexdigest(), len(content), 12)
    with unit_of_work(bin_.actor) as session:
        assert session.execute(
            select(Dataset.report, Dataset.billing, Dataset.sketch, Dataset.marks).where(Dataset.id == dataset)
        ).one() == (None, None, None, None)
    assert bin_.audited(dataset) == [
        "dataset.received", "dataset.validated", "dataset.erase_requested", "dataset.erased",
    ]  # fmt: skip
    assert bin_.erase(dataset).erased_at == row.erased_at  # asked again
    assert len(bin_.audited(dataset)) == 4


def test_the_same_bytes_come_again_as_another_dataset(bin_: Bin, quiet: LocalStack) -> None:
    """Also while those of the first are still being erased: neither takes the other's."""
    first = bin_.checked(conversations())
    bin_.erase(first)
    second = bin_.checked(conversations())
    assert second != first
    bin_.work(first)
    assert bin_.view(second).state == State.READY
    assert owners(quiet, bin_.team.id) == {str(second)}
    with read_only(bin_.actor) as session:
        pages = [
            datasets.list_datasets(session, bin_.team.id, after=None, limit=9, archived=archived)
            for archived in (False, True)
        ]
    assert [[one.id for one in page.data] for page in pages] == [[ids.show("dset", second)], [ids.show("dset", first)]]


def test_what_is_deleted_is_neither_read_nor_cut_nor_trained_on(quiet: LocalStack) -> None:
    desk = Desk()
    bin_ = Bin(desk.team)
    dataset = bin_.checked(conversations())
    bin_.erase(dataset)
    with unit_of_work(bin_.actor) as session:
        with pytest.raises(DatasetErased):
            datasets.report(session, bin_.team.id, dataset, clock.now())
        with pytest.raises(DatasetErased):
            datasets.open_content(session, bin_.actor, dataset)
    with pytest.raises(datasets.DatasetNotDivisible):
        bin_.split(dataset, validation_count=2)
    with pytest.raises(DatasetErased) as refused:
        desk.submit(dataset)
    assert refused.value.pointer == "#/dataset"


# -------------------------------------------------------------------------------------------------------- who needs it
@pytest.mark.parametrize("role", ["dataset", "validation_dataset"])
def test_a_job_under_way_keeps_its_datasets_and_is_named(quiet: LocalStack, role: str) -> None:
    desk = Desk()
    bin_ = Bin(desk.team)
    data, other = bin_.checked(conversations()), bin_.checked(conversations(topic="other"))
    used = {"validation_dataset": ids.show("dset", data)} if role == "validation_dataset" else {}
    job = desk.submit(other if used else data, **used)
    with pytest.raises(DatasetInUse) as refused:
        bin_.erase(data)
    assert refused.value.facts["jobs"] == [ids.show("job", job.id)]
    assert bin_.view(data).state == State.READY
    from service import jobs

    desk.ask(jobs.cancel, job)
    assert bin_.erase(data).state == State.ARCHIVED


def test_a_job_that_waits_for_its_dataset_keeps_it_too(quiet: LocalStack) -> None:
    desk = Desk()
    bin_ = Bin(desk.team)
    dataset = bin_.put(conversations())
    desk.submit(dataset)
    with pytest.raises(DatasetInUse):
        bin_.erase(dataset)


def test_a_part_that_is_being_made_keeps_the_whole(bin_: Bin) -> None:
    whole = bin_.checked(conversations())
    train, validation = bin_.split(whole, validation_count=2)
    with pytest.raises(PartsBeingMade) as refused:
        bin_.erase(whole)
    assert refused.value.facts["parts"] == [ids.show("dset", part) for part in (train, validation)]
    with unit_of_work(bin_.actor) as session, pytest.raises(DatasetNotMade):
        datasets.open_content(session, bin_.actor, train)
    flows.validate([train, validation])
    assert bin_.erase(whole).state == State.ARCHIVED
    assert bin_.view(train).state == State.READY


def test_with_its_parts_the_whole_tree_goes_or_nothing_of_it(quiet: LocalStack) -> None:
    desk = Desk()
    bin_ = Bin(desk.team)
    whole = bin_.checked(conversations(24))
    train, validation = bin_.split(whole, validation_count=2)
    flows.validate([train, validation])
    half = bin_.subset(train, count=11)
    flows.validate([half])
    job = desk.submit(half)
    with pytest.raises(DatasetInUse):
        bin_.erase(whole, with_parts=True)
    assert {bin_.view(one).state for one in (whole, train, validation, half)} == {State.READY}
    from service import jobs

    desk.ask(jobs.cancel, job)
    bin_.erase(whole, with_parts=True)
    bin_.work(whole, train, validation, half)
    assert owners(quiet, bin_.team.id) == set()
    again = bin_.checked(conversations(24))
    assert bin_.split(again, validation_count=2)[0] != train


def test_a_part_that_was_deleted_is_made_anew_when_asked_for(bin_: Bin) -> None:
    whole = bin_.checked(conversations(24))
    first = bin_.subset(whole, count=11)
    flows.validate([first])
    bin_.erase(first)
    second = bin_.subset(whole, count=11)
    assert second != first
    flows.validate([second])
    assert bin_.view(second).sha256 == bin_.view(first).sha256


def test_one_that_is_being_checked_can_go_and_its_worker_finds_out(bin_: Bin, quiet: LocalStack) -> None:
    dataset = bin_.put(conversations())
    bin_.erase(dataset)
    make_due(dataset)
    flows.validate([dataset])  # a hint that was on its way
    assert bin_.view(dataset).state == State.ARCHIVED
    bin_.work(dataset)
    assert owners(quiet, bin_.team.id) == set()


def test_one_that_waits_for_a_person_can_go(bin_: Bin) -> None:
    dataset = bin_.put(conversations())
    storage.delete(bin_.row(dataset).storage_key)
    bin_.validate(dataset)
    assert bin_.view(dataset).attention is not None
    bin_.erase(dataset)
    bin_.work(dataset)
    assert bin_.view(dataset).erased_at is not None


# ------------------------------------------------------------------------------------------------------------- how long
def keep(bin_: Bin, **given: Any) -> None:
    with unit_of_work(CLI) as session:
        quotas.set_team_limits(session, CLI, bin_.team, LimitsSet(**given))


def test_what_is_old_and_unused_is_deleted_and_nothing_else(quiet: LocalStack) -> None:
    desk = Desk()
    bin_, other = Bin(desk.team), Bin()
    old, used, young = (bin_.checked(conversations(topic=topic)) for topic in ("old", "used", "young"))
    foreign = other.checked(conversations())
    desk.submit(used)
    for one in (old, used):
        bin_.age(one, 31)
    other.age(foreign, 3000)
    flows.retain()
    assert bin_.view(old).state == State.READY  # nobody has said how long
    keep(bin_, retention_days=30)
    flows.retain()
    states = [bin_.view(one).state for one in (old, used, young)]
    assert states == [State.ARCHIVED, State.READY, State.READY]
    assert other.view(foreign).state == State.READY
    assert bin_.audited(old)[-1] == "dataset.erase_requested"


def test_what_no_row_speaks_of_is_swept_once_it_is_old(bin_: Bin, quiet: LocalStack) -> None:
    import os

    dataset, gone = bin_.checked(conversations()), bin_.checked(conversations(topic="gone"))
    bin_.erase(gone)
    bin_.work(gone)
    nobodys = aside_key(bin_.team.id, new_id(), "content")
    late = aside_key(bin_.team.id, gone, "problems/all.jsonl")
    young = aside_key(bin_.team.id, new_id(), "content")
    earlier = f"datasets/{bin_.team.id}/{'ab' * 32}.jsonl"
    for key in (nobodys, late, young, earlier):
        storage.make(key, iter([b"x"]))
    then = (clock.now() - timedelta(days=2)).timestamp()
    for key in (nobodys, late, earlier, bin_.row(dataset).storage_key):
        os.utime(Path(quiet.folder / "objects" / key), (then, then))
    flows.sweep_orphans()
    kept = {key.split("/")[2] for key in (young, earlier, bin_.row(dataset).storage_key)}
    assert owners(quiet, bin_.team.id) == kept
