"""Preparing from the request to the dataset: once only, never in place, and through every failure."""

import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import ValidationError
from sqlalchemy import select, text

from service import datasets
from service.cli.local import LocalStack
from service.datasets import flows, preparations
from service.datasets.models import PREPARE
from service.kit import oversight, storage, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from tests.datasets.factories import Shelf, make_due
from tests.tenancy.world import admin_url

TABLE = "text,label\n" + "".join(f"is it {n},{'abc'[n % 3]}\n" for n in range(30)) + "is it 1,b\nlast,\n"


@pytest.fixture
def shelf(quiet: LocalStack) -> Shelf:
    return Shelf()


@pytest.fixture
def table(shelf: Shelf) -> UUID:
    return shelf.put(TABLE.encode(), "table.csv")


def ready(shelf: Shelf, table: UUID, **wish: Any) -> UUID:
    preparation = shelf.prepare(table, **wish)
    flows.prepare([preparation])
    assert shelf.preparation(table, preparation).state == "ready"
    return preparation


def test_the_steps_are_seen_before_anything_is_made(shelf: Shelf, table: UUID) -> None:
    asked = shelf.prepare(table)
    early = shelf.preparation(table, asked)
    assert (early.state, early.steps, early.source, early.rows) == ("reading", [], None, None)
    flows.prepare([asked])
    found = shelf.preparation(table, asked)
    assert (found.state, found.rows, found.examples) == ("ready", 32, 31)
    assert found.source
    assert (found.source.format, found.source.columns, found.source.sheet) == ("csv", ["text", "label"], None)
    assert found.columns
    assert found.columns.model_dump() == {"prompt": 1, "completion": 2, "guessed": True}
    assert [(step.id, step.kind, step.rows, step.first[:1]) for step in found.steps] == [
        ("convert", "necessary", 31, [2]),
        ("rename_columns", "necessary", 31, [2]),
        ("remove_empty", "necessary", 1, [33]),
        ("remove_duplicates", "optional", 1, [32]),
    ]
    assert found.advice
    assert (found.advice.task, found.advice.classes) == ("classification", 3)


def test_what_is_accepted_becomes_a_new_dataset_and_the_file_stays(shelf: Shelf, table: UUID) -> None:
    preparation = ready(shelf, table, system="Be kind.")
    made = shelf.apply(table, preparation, "remove_duplicates")
    flows.validate([table, made])
    view = shelf.view(made)
    assert (view.state, view.format, view.examples, view.filename) == ("ready", "chat", 30, "table.prepared.jsonl")
    assert view.recipe
    assert view.recipe.kind == "prepare"
    assert (view.recipe.system, [step.id for step in view.recipe.steps]) == (
        "Be kind.",
        ["convert", "rename_columns", "remove_empty", "remove_duplicates"],
    )
    first = json.loads(shelf.lines(made)[0])["messages"]
    assert [one["role"] for one in first] == ["system", "user", "assistant"]
    assert b"".join(storage.read(shelf.row(table).storage_key)) == TABLE.encode()


def test_the_same_wish_is_the_same_and_the_same_steps_the_same_dataset(shelf: Shelf, table: UUID) -> None:
    long = "Be kind. " * 2000  # longer than Postgres can index
    guessed = ready(shelf, table, system=long)
    named = ready(shelf, table, columns={"text": "text", "label": 2}, system=long)
    assert shelf.prepare(table, system=long, to="chat") == guessed
    assert named != guessed
    made = shelf.apply(table, guessed)
    assert shelf.apply(table, guessed, "convert") == made == shelf.apply(table, named)
    assert shelf.apply(table, guessed, "remove_duplicates") != made
    assert shelf.apply(table, ready(shelf, table, system="Be brief.")) != made


def test_prompt_and_completion_are_made_too(shelf: Shelf, table: UUID) -> None:
    preparation = ready(shelf, table, to="prompt_completion")
    made = shelf.apply(table, preparation, "add_separator", "add_space")
    flows.validate([made])
    assert (shelf.view(made).state, shelf.view(made).format) == ("ready", "prompt_completion")
    assert json.loads(shelf.lines(made)[0]) == {"prompt": "is it 0 ->", "completion": " a"}


def test_a_file_that_cannot_be_prepared_says_why(shelf: Shelf) -> None:
    table = shelf.put(b"a,b,c\n1,2,3\n", "table.csv")
    preparation = shelf.prepare(table)
    flows.prepare([preparation])
    found = shelf.preparation(table, preparation)
    assert (found.state, found.problem and found.problem.code) == ("refused", "columns_unclear")
    with pytest.raises(datasets.PreparationNotReady):
        shelf.apply(table, preparation)


def test_only_what_is_ready_and_there_is_applied(shelf: Shelf, table: UUID) -> None:
    preparation = shelf.prepare(table)
    with pytest.raises(datasets.PreparationNotReady):
        shelf.apply(table, preparation)
    flows.prepare([preparation])
    with pytest.raises(datasets.StepUnknown, match="no step 'trim'; its steps are: convert, "):
        shelf.apply(table, preparation, "trim")
    with pytest.raises(datasets.PreparationUnknown):
        shelf.apply(table, uuid4())
    with pytest.raises(datasets.PreparationUnknown):
        shelf.apply(shelf.put(b"other"), preparation)
    with pytest.raises(datasets.DatasetUnknown):
        shelf.prepare(uuid4())


@pytest.mark.parametrize(
    "wish",
    [
        {"to": "prompt_completion", "system": "no place for it"},
        {"columns": {"prompt": 1, "label": 2}},
        {"columns": {"prompt": 0}},
        {"sheet": 0},
        {"to": "else"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_at_once(wish: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        datasets.PrepareRequest.model_validate(wish)


def test_a_part_that_is_still_to_be_made_is_waited_for(shelf: Shelf) -> None:
    lines = "".join(json.dumps({"prompt": f"{n} q", "completion": f"a {n}"}) + "\n" for n in range(40))
    whole = shelf.put(lines.encode())
    half = shelf.subset(whole, count=20)
    preparation = shelf.prepare(half)
    flows.prepare([preparation])
    assert shelf.preparation(half, preparation).state == "reading"
    flows.validate([whole, half])
    with unit_of_work(WORKER) as session:
        session.execute(text("UPDATE preparations SET due_at = now() WHERE id = :id"), {"id": preparation})
    flows.prepare([preparation])
    assert shelf.preparation(half, preparation).rows == 20
    made = shelf.apply(half, preparation)
    make_due(made)
    flows.validate([made])
    assert (shelf.view(made).state, shelf.view(made).examples) == ("ready", 20)


def test_a_damaged_file_is_left_to_a_person(shelf: Shelf, table: UUID) -> None:
    gone, changed = shelf.prepare(table), shelf.prepare(table, system="x")
    key = shelf.row(table).storage_key
    storage.make(key, iter([TABLE.replace("is", "as").encode()]))
    flows.prepare([changed])
    storage.delete(key)
    flows.prepare([gone])
    assert shelf.preparation(table, changed).attention == "the stored file is not what was received"
    assert shelf.preparation(table, gone).attention == "the stored file is gone"
    with unit_of_work(WORKER) as session:
        assert {gone, changed} <= {one.id for one in oversight.asking(session, PREPARE, limit=1000)}


def test_nothing_is_made_of_a_file_damaged_since(shelf: Shelf, table: UUID) -> None:
    made = shelf.apply(table, ready(shelf, table))
    for damaged in (TABLE.replace("is", "as"), TABLE.replace(",", ""), '"'):
        storage.make(shelf.row(table).storage_key, iter([damaged.encode()]))
        with unit_of_work(WORKER) as session:
            session.execute(text("UPDATE datasets SET attention = NULL, due_at = now() WHERE id = :id"), {"id": made})
        flows.validate([made])
        assert "not what was received" in (shelf.view(made).attention or "")


def test_who_is_overtaken_while_reading_writes_nothing(shelf: Shelf, table: UUID) -> None:
    preparation = shelf.prepare(table)
    with unit_of_work(WORKER) as session:
        (claimed,) = work.claim(session, PREPARE, [preparation])
        session.execute(text("UPDATE preparations SET lease_until = now() WHERE id = :id"), {"id": preparation})
    flows.prepare([preparation])
    with pytest.raises(work.StaleClaim), unit_of_work(worker_for(shelf.team.id)) as session:
        preparations.conclude(session, claimed, problem={"code": "late", "message": "late"})
    assert shelf.preparation(table, preparation).state == "ready"


def test_no_text_of_the_file_is_in_the_audit_or_the_events(shelf: Shelf, quiet: LocalStack) -> None:
    secret = "canary4711"
    table = shelf.put(f"text,label\n{secret} a,{secret} b\n{secret} c,{secret} d\n".encode(), "table.csv")
    preparation = ready(shelf, table, system=f"{secret} says")
    flows.validate([shelf.apply(table, preparation)])
    with psycopg.connect(admin_url(quiet)) as connection:
        for name in ("audit_entries", "events"):
            told = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))).fetchall()
            assert told
            assert secret not in str(told)


def test_only_the_team_itself_may_read_it(shelf: Shelf, table: UUID) -> None:
    preparation = ready(shelf, table)
    with unit_of_work(worker_for(Shelf().team.id)) as session:
        seen = session.scalars(select(datasets.PREPARE.model.id).where(datasets.PREPARE.model.id == preparation))
        assert seen.one_or_none() is None
