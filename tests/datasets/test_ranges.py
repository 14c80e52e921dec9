"""A large dataset is read in ranges: by whoever is free, once each, and its report is that of one reader."""

import json
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from sqlalchemy import func, update

from service import datasets
from service.cli.local import LocalStack
from service.datasets import commands, flows, ranges
from service.datasets.flows.leases import Held
from service.datasets.models import READ_RANGE, VALIDATE, Dataset, DatasetRange
from service.datasets.ranges import Merging, RangeOrder
from service.datasets.rules.states import aside_key
from service.kit import clock, oversight, storage, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.settings import settings
from tests.datasets.chat import file_of
from tests.datasets.factories import Shelf
from tests.datasets.large import FAULTY, SOUND, alone, same
from tests.tenancy.world import admin_url
from tests.until import until


def as_told(shelf: Shelf, dataset: UUID) -> list[dict[str, Any]]:
    """All problems, as they lie in storage."""
    with unit_of_work(shelf.actor) as session:
        parts = session.get_one(Dataset, dataset).problem_parts or []
    told = []
    for name, before in parts:
        stored = b"".join(storage.read(aside_key(shelf.team.id, dataset, name)))
        told += [one | {"line": one["line"] and one["line"] + before} for one in map(json.loads, stored.splitlines())]
    return told


# ------------------------------------------------------------------------------------------- the flow in this process
@pytest.fixture
def shelf(quiet: LocalStack) -> Shelf:
    return Shelf()


def read_row(shelf: Shelf, dataset: UUID) -> Dataset:
    with unit_of_work(shelf.actor) as session:
        row = session.get_one(Dataset, dataset)
        assert row.report is None or row.report  # deferred: loaded while there is a session
        assert row.marks is None or row.marks
        return row


def cut(shelf: Shelf, content: bytes) -> tuple[UUID, list[UUID]]:
    dataset = shelf.put(content)
    flows.validate([dataset])
    return dataset, [one.id for one in shelf.ranges(dataset)]


def claim(row: UUID, kind: work.Kind = READ_RANGE) -> work.Claim:
    with unit_of_work(WORKER) as session:
        (claimed,) = work.claim(session, kind, [row])
    return claimed


def begin(shelf: Shelf, row: UUID) -> RangeOrder:
    with unit_of_work(shelf.actor) as session:
        return ranges.begin(session, claim(row))


def lapse(row: UUID, model: Any = DatasetRange) -> None:
    """Age the row: its lease ended a moment ago."""
    with unit_of_work(WORKER) as session:
        ended = func.clock_timestamp() - timedelta(seconds=1)
        session.execute(update(model).where(model.id == row).values(lease_until=ended))


def test_a_large_file_is_read_in_ranges_and_its_report_is_that_of_one_reader(shelf: Shelf) -> None:
    content = file_of(FAULTY)
    dataset, rows = cut(shelf, content)
    assert len(rows) == -(-len(content) // settings().segment_bytes) > 3
    assert (shelf.row(dataset).state, shelf.row(dataset).due_at) == ("validating", None)
    flows.read_ranges(rows[:0:-1])
    assert shelf.row(dataset).due_at is None
    flows.read_ranges(rows[:1])
    assert shelf.row(dataset).due_at is not None  # the last one woke it
    flows.validate([dataset])
    row, (report, told) = read_row(shelf, dataset), alone(shelf.team.id, content)
    assert (row.state, row.errors, row.examples) == ("invalid", report.errors, report.examples)
    assert report.errors == 4
    assert report.problem_totals["near_duplicate"] == 1  # in another range, and read again to be sure
    assert same(report, row)
    assert row.billing == json.loads(json.dumps(report.billing_json()))
    assert sorted(as_told(shelf, dataset), key=by_place) == sorted(json.loads(msgspec.json.encode(told)), key=by_place)
    assert not [*(storage_folder(shelf, dataset) / "ranges").glob("*")]


def by_place(one: dict[str, Any]) -> tuple[int, str]:
    return (one["line"] or 0, one["code"])


def storage_folder(shelf: Shelf, dataset: UUID) -> Path:
    return Path(settings().storage_url.removeprefix("file://"), aside_key(shelf.team.id, dataset, ""))


def test_marks_find_a_line_without_reading_the_file(shelf: Shelf) -> None:
    content = file_of(SOUND)
    marks = read_row(shelf, shelf.checked(content)).marks or []
    assert len(marks) == -(-len(content) // settings().segment_bytes)
    for byte, number in marks:
        before = content[:byte]
        assert number == before.count(b"\n") + (1 if not before or before.endswith(b"\n") else 2)


def test_a_small_file_is_read_in_one_go_with_the_same_care(shelf: Shelf) -> None:
    dataset = shelf.checked(file_of(FAULTY[292:302]))
    assert not shelf.ranges(dataset)
    codes = [one["code"] for one in as_told(shelf, dataset)]
    assert codes == ["empty_line", "too_few_examples", "system_prompt_missing"]


def test_a_dead_workers_range_alone_is_read_again_and_its_ghost_writes_nothing(shelf: Shelf) -> None:
    dataset, rows = cut(shelf, file_of(SOUND))
    ghost = begin(shelf, rows[1])
    flows.read_ranges(rows)
    assert [one.state for one in shelf.ranges(dataset)].count("waiting") == 1  # the lease holds
    lapse(rows[1])
    flows.read_ranges(rows)
    assert {one.fence for one in shelf.ranges(dataset)} == {1, 2}
    held = Held(ghost.claim, DatasetRange)
    held._pause = -1
    with pytest.raises(work.StaleClaim):
        held.update(b"x")
    for write in (partial(ranges.record, lines=1), partial(ranges.give_up, reason="the ghost")):
        with pytest.raises(work.StaleClaim), unit_of_work(shelf.actor) as session:
            write(session, ghost)
    flows.validate([dataset])
    assert shelf.row(dataset).state == "ready"


def test_of_two_last_ones_the_second_wakes_the_dataset(shelf: Shelf, quiet: LocalStack) -> None:
    """Neither sees the other's row before it is committed: the lock on the dataset puts them in order."""
    dataset, rows = cut(shelf, file_of(SOUND))
    flows.read_ranges(rows[2:])
    first, second = (begin(shelf, one) for one in rows[:2])

    def record_second() -> None:
        with unit_of_work(shelf.actor) as session:
            ranges.record(session, second, lines=1)

    other = threading.Thread(target=record_second)
    with psycopg.connect(admin_url(quiet), autocommit=True) as watcher, unit_of_work(shelf.actor) as session:
        ranges.record(session, first, lines=1)
        session.flush()
        other.start()
        until(partial(_waits_for_a_lock, watcher), what="the second to wait for the first")
    other.join()
    assert shelf.row(dataset).due_at is not None


def _waits_for_a_lock(watcher: psycopg.Connection[Any]) -> bool:
    asked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return watcher.execute(asked).fetchone() is not None


def test_merging_may_be_repeated(shelf: Shelf) -> None:
    dataset, rows = cut(shelf, file_of(FAULTY))
    flows.read_ranges(rows)
    with unit_of_work(shelf.actor) as session:
        ghost = claim(dataset, VALIDATE)
        assert isinstance(commands.begin(session, ghost, clock.now()), Merging)
    lapse(dataset, Dataset)
    flows.validate([dataset])
    assert same(alone(shelf.team.id, file_of(FAULTY))[0], read_row(shelf, dataset))


def test_a_damaged_range_asks_for_a_person_and_is_read_anew_when_that_was_mended(shelf: Shelf) -> None:
    content = file_of(SOUND)
    dataset, rows = cut(shelf, content)
    flows.read_ranges(rows[:1])
    damaged = bytearray(content)
    damaged[settings().segment_bytes + 30] ^= 1
    key = shelf.row(dataset).storage_key
    storage.make(key, iter([bytes(damaged)]))
    flows.read_ranges(rows[1:])
    assert shelf.row(dataset).attention == "the stored file is not what was received"
    assert not shelf.ranges(dataset)
    storage.make(key, iter([content]))
    with unit_of_work(WORKER) as session:
        assert oversight.try_again(session, VALIDATE, dataset) is not None
    shelf.validate(dataset)
    assert (shelf.row(dataset).state, shelf.row(dataset).attention) == ("ready", None)


@pytest.mark.parametrize("harm", ["gone", "shorter"])
def test_a_file_that_is_not_there_asks_for_a_person(shelf: Shelf, harm: str) -> None:
    dataset, rows = cut(shelf, file_of(SOUND))
    key = shelf.row(dataset).storage_key
    storage.delete(key)
    if harm == "shorter":
        storage.make(key, iter([SOUND[0]]))
    flows.read_ranges(rows)
    wanted = {"gone": "the stored file is gone", "shorter": "the stored file is not what was received"}
    assert shelf.row(dataset).attention == wanted[harm]


@pytest.mark.parametrize("more", [-1, 0, 7])  # whoever gives it up may be killed too
def test_a_range_that_kills_whoever_reads_it_asks_for_a_person(shelf: Shelf, more: int) -> None:
    dataset, rows = cut(shelf, file_of(SOUND))
    with unit_of_work(WORKER) as session:
        session.execute(
            update(DatasetRange).where(DatasetRange.id == rows[0]).values(attempts=settings().attempts_max + more)
        )
    flows.read_ranges(rows)
    assert "never read to its end" in (shelf.row(dataset).attention or "")


def test_progress_is_the_sum_over_what_is_read_and_what_is_being_read(shelf: Shelf) -> None:
    content = file_of(SOUND)
    dataset, rows = cut(shelf, content)
    assert shelf.view(dataset).progress == datasets.Progress(bytes=0, lines=0, seconds_left=None)
    flows.read_ranges(rows[:1])
    order = begin(shelf, rows[1])
    held = Held(order.claim, DatasetRange)
    held._pause = -1
    held.update(b"a\nb\nc")
    progress = shelf.view(dataset).progress
    assert progress is not None
    assert progress.bytes == settings().segment_bytes + 5
    assert progress.lines == shelf.ranges(dataset)[0].read_lines + 2
    assert progress.seconds_left is not None
    lapse(rows[1])
    flows.read_ranges(rows[1:])
    assert shelf.view(dataset).progress == datasets.Progress(bytes=len(content), lines=1000, seconds_left=0)
    flows.validate([dataset])
    assert shelf.view(dataset).progress is None


def test_the_same_bytes_again_are_never_read_again(shelf: Shelf) -> None:
    content = file_of(SOUND)
    dataset, rows = cut(shelf, content)
    flows.read_ranges(rows[:1])
    assert shelf.put(content) == dataset
    assert [one.fence for one in shelf.ranges(dataset)] == [1, *[0] * (len(rows) - 1)]
    flows.read_ranges(rows)
    flows.validate([dataset])
    before = shelf.row(dataset)
    assert shelf.put(content) == dataset
    shelf.validate(dataset)
    after = shelf.row(dataset)
    assert (after.fence, after.validated_at, after.due_at) == (before.fence, before.validated_at, None)


def test_a_large_part_is_read_in_ranges_too(shelf: Shelf) -> None:
    whole = shelf.checked(file_of([*SOUND, *SOUND]))
    train, _ = shelf.split(whole, validation_count=100)
    shelf.validate(train)
    assert len(shelf.ranges(train)) > 1
    assert (shelf.row(train).state, shelf.row(train).examples) == ("ready", 1900)
