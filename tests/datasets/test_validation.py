"""From the posted bytes to the report, with real workers; and what becomes of a dataset when one of them dies."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from service import catalog, datasets
from service.cli.local import PYTHON, LocalStack
from service.datasets import commands, flows
from service.datasets.flows.leases import renewing
from service.datasets.models import VALIDATE, Dataset
from service.kit import clock, storage, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import read
from service.kit.settings import settings
from tests import launcher
from tests.conftest import Launch
from tests.datasets.chat import ERRAND, TALK, changed, file_of, good, line
from tests.stack import Platform, Team, conversations
from tests.until import until

PRICED = "gpt-4o-mini-2024-07-18"


def upload(team: Team, content: bytes) -> str:
    made = team.member.post("/v1/datasets", content=content, headers={"Content-Type": "application/jsonl"})
    assert made.status_code == 202, made.text
    return str(made.json()["id"])


def report(team: Team, dataset: str) -> dict[str, Any]:
    answer = team.viewer.get(f"/v1/datasets/{dataset}/report")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.usefixtures("workers")
def test_a_good_file_becomes_ready_and_its_report_names_the_price_of_each_model(team: Team) -> None:
    dataset = team.ready_dataset(file_of(good(60)))
    assert (dataset["state"], dataset["format"], dataset["examples"]) == ("ready", "chat", 60)
    assert (dataset["errors"], dataset["warnings"], dataset["attention"]) == (0, 0, None)
    assert dataset["validated_at"] >= dataset["created_at"]
    told = report(team, dataset["id"])
    assert (told["problems"], told["default_epochs"], told["without_system"]) == ([], 3, 0)
    with unit_of_work(worker_for(read("team", team.id))) as session:
        models = catalog.trainable_models(session, "emulator", clock.now())
    prices = {one["model"]: one for one in told["prices"]}
    assert prices.keys() == {model.id for model in models if "supervised" in model.methods}
    priced = prices[PRICED]
    assert priced["tokens_per_epoch"] == told["tokens"][0]["per_example"]["total"]
    assert priced["tokens"] == 3 * priced["tokens_per_epoch"]
    assert Decimal(priced["price"]) == Decimal(3) * priced["tokens"] / 1_000_000  # 3 USD a million
    assert (priced["unavailable"], priced["truncated_examples"]) == (None, 0)


@pytest.mark.usefixtures("workers")
def test_a_bad_file_becomes_invalid_and_says_where(team: Team) -> None:
    lines = good(60)
    lines[6] = changed(TALK, lambda e: e["messages"][1].update(role="observer"))
    lines[20] = b"{"
    dataset = team.ready_dataset(file_of(lines))
    assert (dataset["state"], dataset["errors"]) == ("invalid", 2)
    told = report(team, dataset["id"])
    assert [(one["line"], one["pointer"], one["code"], one["severity"]) for one in told["problems"]] == [
        (7, "/messages/1/role", "unknown_role", "error"),
        (21, "", "invalid_json", "error"),
    ]
    assert (told["prices"], told["default_epochs"]) == ([], None)


@pytest.mark.usefixtures("workers")
def test_another_format_is_refused_by_its_name(team: Team) -> None:
    dataset = team.ready_dataset(file_of([line({"question": "Why?", "answer": "Because."})] * 20), "qa.jsonl")
    assert (dataset["state"], dataset["format"], dataset["examples"]) == ("invalid", "question_answer", None)
    told = report(team, dataset["id"])
    assert [(one["line"], one["code"]) for one in told["problems"]] == [(None, "unsupported_format")]


# ------------------------------------------------------------------------------------------- the flow in this process
@pytest.fixture(scope="module")
def idle(launch: Launch) -> Iterator[LocalStack]:
    """A platform without workers: these tests are the worker."""
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_api()
        yield stack


@pytest.fixture
def crew(idle: LocalStack) -> Team:
    return Platform(idle).team()


def test_a_report_is_not_there_before_the_file_was_read(crew: Team) -> None:
    early = crew.viewer.get(f"/v1/datasets/{upload(crew, conversations())}/report")
    assert (early.status_code, early.json()["code"]) == (409, "dataset_not_validated")
    assert early.headers["retry-after"] == "1"


def claim(dataset: str) -> work.Claim:
    with unit_of_work(WORKER) as session:
        (claimed,) = work.claim(session, VALIDATE, [read("dset", dataset)])
    return claimed


def lapse(dataset: str) -> None:
    """Age the row: its lease ended a moment ago."""
    lapsed = update(Dataset).where(Dataset.id == read("dset", dataset))
    with unit_of_work(WORKER) as session:
        session.execute(lapsed.values(lease_until=func.clock_timestamp() - timedelta(seconds=1)))


def row(team: Team, dataset: str) -> Dataset:
    with unit_of_work(worker_for(read("team", team.id))) as session:
        return session.scalars(select(Dataset).where(Dataset.id == read("dset", dataset))).one()


def test_a_dead_workers_dataset_is_taken_over_and_its_ghost_writes_nothing(crew: Team) -> None:
    dataset = upload(crew, conversations())
    ghost = claim(dataset)
    with unit_of_work(worker_for(ghost.team)) as session:
        commands.begin(session, ghost, clock.now())
    assert row(crew, dataset).state == "validating"
    flows.validate([ghost.id])
    assert row(crew, dataset).state == "validating"  # the lease holds
    lapse(dataset)
    flows.validate([ghost.id])
    after = row(crew, dataset)
    assert (after.state, after.attempts, after.due_at, after.lease_until) == ("ready", 0, None, None)
    with pytest.raises(work.StaleClaim), unit_of_work(worker_for(ghost.team)) as session:
        commands.give_up(session, ghost, "the ghost")
    with pytest.raises(work.StaleClaim):
        list(renewing(iter(_slow_chunks(3)), ghost))


def _slow_chunks(count: int) -> Iterator[bytes]:
    """Each takes longer than a third of the lease, by a clock that the flow reads."""
    for _ in range(count):
        end = clock.monotonic() + settings().lease_seconds / 3
        until(partial(_past, end))
        yield b"x"


def _past(end: float) -> bool:
    return clock.monotonic() > end


def test_a_long_file_keeps_its_lease(crew: Team) -> None:
    claimed = claim(upload(crew, conversations()))
    shown = _lease(claimed.id, claimed.team)
    assert len(list(renewing(_slow_chunks(2), claimed))) == 2
    assert _lease(claimed.id, claimed.team) > shown


def _lease(dataset: UUID, team: UUID) -> Any:
    with unit_of_work(worker_for(team)) as session:
        return session.scalar(select(Dataset.lease_until).where(Dataset.id == dataset))


def _overwrite(key: str) -> None:
    Path(settings().storage_url.removeprefix("file://"), key).write_bytes(conversations(topic="other"))


@pytest.mark.parametrize(
    ("damage", "attention"),
    [
        (storage.delete, "the stored file is gone"),
        (_overwrite, "the stored file is not what was received"),
    ],
)
def test_a_damaged_store_asks_for_a_person(crew: Team, damage: Any, attention: str) -> None:
    dataset = upload(crew, conversations())
    damage(row(crew, dataset).storage_key)
    flows.validate([read("dset", dataset)])
    assert (row(crew, dataset).attention, row(crew, dataset).state) == (attention, "validating")
    view = crew.viewer.get(f"/v1/datasets/{dataset}").json()
    assert view["attention"] == attention
    answer = crew.viewer.get(f"/v1/datasets/{dataset}/report")
    assert answer.status_code == 409
    assert "retry-after" not in answer.headers


def test_no_text_of_a_file_reaches_the_log(crew: Team, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-in-the-coal-mine"
    lines = [changed(ERRAND, lambda e: e["messages"][0].update(content=canary, role=canary))] * 12
    dataset = upload(crew, file_of([*lines, canary.encode()]))
    with caplog.at_level(logging.DEBUG):
        flows.validate([read("dset", dataset)])
    assert row(crew, dataset).state == "invalid"
    assert canary not in caplog.text
    assert canary not in json.dumps(report(crew, dataset)).replace(f"'{canary}'", "")


def test_facts_know_what_was_counted_and_nothing_else(crew: Team) -> None:
    dataset = upload(crew, conversations(20))
    team_id, dataset_id = read("team", crew.id), read("dset", dataset)
    with unit_of_work(worker_for(team_id)) as session:
        early = datasets.facts(session, team_id, dataset_id)
        with pytest.raises(datasets.DatasetNotValidated):
            early.billed_tokens("o200k_base", 65_536)
    flows.validate([dataset_id])
    with unit_of_work(worker_for(team_id)) as session:
        facts = datasets.facts(session, team_id, dataset_id)
        with pytest.raises(datasets.DatasetUnknown):
            datasets.facts(session, dataset_id, team_id)
    assert (facts.state, facts.examples, facts.default_epochs) == (datasets.State.READY, 20, 5)
    billed = facts.billed_tokens("o200k_base", 65_536)
    assert billed == facts.billed_tokens("o200k_base", 4096)  # no example reaches either limit
    for encoding, limit in (("o200k_base", 10), ("cl100k_base", 65_536)):
        with pytest.raises(datasets.TokensNotCounted):
            facts.billed_tokens(encoding, limit)


def test_a_worker_killed_while_it_reads_is_followed_by_another(launch: Launch, tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_api()
        stack.start_dispatcher()
        struck = launcher.order(tmp_path, "validation.read", "before", "KILL")
        spec = json.dumps({"strikes": str(tmp_path)})
        stack.start_worker("struck", launcher=[str(PYTHON), "-m", "tests.launcher", "worker", spec])
        team = Platform(stack).team()
        dataset = team.ready_dataset(file_of(good(20)))
        assert struck.exists()
        assert dataset["state"] == "ready"
