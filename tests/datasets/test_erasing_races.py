"""What is deleted while somebody asks for the same again, or makes something of it."""

import hashlib
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.orm import Session

from service import datasets
from service.cli.local import LocalStack
from service.datasets import flows
from service.datasets.models import Dataset
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.ids import new_id
from tests.datasets.factories import Shelf
from tests.stack import conversations

CONFLICTS: Final = "INSERT INTO datasets"  # then the one that stood in the way is looked for
FAMILY: Final = "WITH RECURSIVE tree"  # then it is locked


def once_after(beginning: str, session: Session, do: Callable[[], object]) -> None:
    """Between two statements of the session, of which the first begins so."""
    waiting = [do]

    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(beginning) and waiting:
            waiting.pop()()

    event.listen(session.connection(), "after_cursor_execute", after)


def erase(shelf: Shelf, dataset: UUID) -> None:
    with unit_of_work(shelf.actor) as session:
        datasets.erase(session, shelf.actor, dataset, clock.now(), with_parts=False)


def test_a_file_posted_while_it_is_deleted_is_a_new_dataset(quiet: LocalStack) -> None:
    shelf, content = Shelf(), conversations()
    old = shelf.checked(content)
    digests = datasets.Digests(2**26)
    digests.update(content)
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    with unit_of_work(shelf.actor) as session:
        once_after(CONFLICTS, session, lambda: erase(shelf, old))
        _, is_new = datasets.receive(
            session, shelf.actor, new_id(), filename="a.jsonl", name=None, digests=digests
        )  # fmt: skip
    assert is_new


def test_a_part_asked_for_while_it_is_deleted_is_made_anew(quiet: LocalStack) -> None:
    shelf = Shelf()
    whole = shelf.checked(conversations())
    with unit_of_work(shelf.actor) as session:
        old = datasets.derive_subset(session, shelf.actor, whole, seed=1, count=5)
    with unit_of_work(shelf.actor) as session:
        once_after(CONFLICTS, session, lambda: erase(shelf, old))
        new = datasets.derive_subset(session, shelf.actor, whole, seed=1, count=5)
        found = session.get_one(Dataset, new)
        assert (new != old, found.state) == (True, "received")


def test_what_was_made_of_it_a_moment_before_goes_with_it(quiet: LocalStack) -> None:
    shelf = Shelf()
    whole = shelf.checked(conversations())
    made: list[UUID] = []

    def make() -> None:
        with unit_of_work(shelf.actor) as session:
            made.append(datasets.derive_subset(session, shelf.actor, whole, seed=1, count=12))
        flows.validate(made)

    with unit_of_work(shelf.actor) as session:
        once_after(FAMILY, session, make)
        datasets.erase(session, shelf.actor, whole, clock.now(), with_parts=True)
    assert [shelf.row(one).state for one in (whole, *made)] == ["archived", "archived"]
