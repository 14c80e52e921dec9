"""A large dataset between real workers, of which some die: its report is that of one reader all the same."""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench import corpus
from service.cli.local import PYTHON, LocalStack
from service.datasets.models import Dataset
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.ids import read
from tests import launcher
from tests.conftest import Launch
from tests.datasets.chat import file_of
from tests.datasets.large import FAULTY, SOUND, alone, same
from tests.faults.site import lasting
from tests.stack import Platform, Team
from tests.until import until

LARGE = file_of([*FAULTY, *SOUND])


@pytest.fixture
def many(launch: Launch) -> Iterator[tuple[LocalStack, ExitStack]]:
    with ExitStack() as cleanup:
        stack = launch(cleanup, settings={"segment_bytes": "50000", "lease_seconds": "3"})
        stack.start_api()
        stack.start_dispatcher()
        yield stack, cleanup


def stored(team: Team, dataset: dict[str, Any]) -> Dataset:
    with unit_of_work(worker_for(read("team", team.id))) as session:
        row = session.get_one(Dataset, read("dset", dataset["id"]))
        assert row.report
        return row


POINTS = ("validation.cut", "ranges.read", "ranges.record", "validation.put_together")


@pytest.mark.timeout(300)
def test_a_worker_killed_at_any_point_leaves_a_file_that_is_read(many: Any, tmp_path: Path) -> None:
    stack, _ = many
    struck = [
        launcher.order(tmp_path, point, when, "KILL")
        for point, when in [*((point, "before") for point in POINTS), ("validation.cut", "commit"),
                            ("ranges.record", "commit"), ("ranges.read", "after")]
    ]  # fmt: skip
    spec = json.dumps({"strikes": str(tmp_path)})
    stack.start_worker("struck", launcher=[str(PYTHON), "-m", "tests.launcher", "worker", spec])
    team = Platform(stack).team()
    dataset = team.ready_dataset(LARGE, within=240)
    assert [one.name for one in struck if not one.exists()] == []
    assert same(alone(read("team", team.id), LARGE)[0], stored(team, dataset))


@pytest.mark.timeout(300)
def test_workers_share_the_ranges_and_one_may_go_in_the_middle(many: Any) -> None:
    stack, _ = many
    for name in ("one", "other"):
        stack.start_worker(name, concurrency=1)
    team = Platform(stack).team()
    made = team.member.post("/v1/datasets", content=LARGE, headers={"Content-Type": "application/jsonl"}).json()

    def begun() -> bool:
        return b"range_read" in stack.processes.log("one").read_bytes()

    until(begun, within=100)
    stack.processes.kill("one")
    dataset = team.ready_dataset(LARGE, within=240)
    assert dataset["id"] == made["id"]
    assert b"range_read" in stack.processes.log("other").read_bytes()
    assert same(alone(read("team", team.id), LARGE)[0], stored(team, dataset))


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_worker_killed_every_few_seconds_while_300_mb_are_read(launch: Launch) -> None:
    content, _ = corpus.some(300_000_000)
    with ExitStack() as cleanup:
        # A lease that ends soon after its worker; of a tokenizer loaded by two at once a worker is silent for seconds.
        stack = launch(cleanup, settings={"segment_bytes": str(64 * 1024**2), "lease_seconds": "10"})
        stack.start_api()
        stack.start_dispatcher()
        names = [f"reader {number}" for number in range(8)]
        team = Platform(stack).team()
        stack.start_worker(names[0], concurrency=2)
        team.member.post("/v1/datasets", content=content, headers={"Content-Type": "application/jsonl"})
        for name, successor in pairwise(names):
            lasting(random.Random(name).uniform(3, 15))
            stack.processes.kill(name)
            stack.start_worker(successor, concurrency=2)
        dataset = team.ready_dataset(content, within=600)
        assert same(alone(read("team", team.id), content)[0], stored(team, dataset))
