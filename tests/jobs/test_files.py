"""Files at the provider: in parts, found missing, let go, and swept."""

import hashlib
import io
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from service.jobs.flows.expiry import expire, sweep_account
from service.jobs.models import PRESENT, ProviderFile
from service.jobs.rules import file_name
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import read
from service.provider.openai import gateway
from service.provider.openai.files import create_file
from tests.jobs.accounts import credentials
from tests.stack import Emulator, Team, conversations
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")


def test_a_large_file_goes_in_parts_and_arrives_whole(emulator: Emulator) -> None:
    _, account = credentials()
    content, alive = conversations(200, "parts"), []
    remote = create_file(
        account, filename="tp-test-parts.jsonl", content=io.BytesIO(content), size=len(content),
        alive=lambda: alive.append(1), part_bytes=10_000,
    )  # fmt: skip
    assert (remote.bytes, len(alive)) == (len(content), -(-len(content) // 10_000))
    told = emulator.http.get(f"/v1/files/{remote.id}/content", headers={"Authorization": "Bearer sk-emulator"})
    assert hashlib.sha256(told.content).digest() == hashlib.sha256(content).digest()


def copy_of(team: Team) -> ProviderFile:
    with unit_of_work(worker_for(read("team", team.id))) as session:
        return session.scalars(select(ProviderFile).where(PRESENT)).one()


def age(team: Team, days: float) -> None:
    with unit_of_work(worker_for(read("team", team.id))) as session:
        then = clock.now() - timedelta(days=days)
        session.execute(update(ProviderFile).values(last_used_at=then, due_at=clock.now()))


def test_a_copy_somebody_removed_there_is_uploaded_again(team: Team, emulator: Emulator) -> None:
    dataset = team.ready("ebb")
    team.job_in(team.accepted(dataset)["id"], "succeeded")
    copy = copy_of(team)
    _, account = credentials()
    gateway.delete_file(account, copy.provider_file_id)
    age(team, days=1)
    team.job_in(team.accepted(dataset)["id"], "succeeded")
    assert copy_of(team).provider_file_id != copy.provider_file_id


def test_a_copy_unused_for_long_is_removed_there_and_here_unless_another_team_has_it(
    team: Team, emulator: Emulator, make_team: Callable[..., Team]
) -> None:
    other, topic = make_team(), f"neap {team.slug}"
    for one in (team, other):
        one.job_in(one.accepted(one.ready(topic))["id"], "succeeded")
    copy, _account = copy_of(team), credentials()[1]
    assert copy_of(other).provider_file_id == copy.provider_file_id
    for one, remains in ((team, True), (other, False)):
        age(one, days=15)
        expire([copy_of(one).id])
        until(partial(has_no_copy, one), within=10, what="the copy's row to go")  # a worker may be at it
        assert gateway.has_file(_account, copy.provider_file_id) is remains


def has_no_copy(team: Team) -> bool:
    with unit_of_work(worker_for(read("team", team.id))) as session:
        return session.scalars(select(ProviderFile.id).where(PRESENT)).one_or_none() is None


def test_a_copy_in_use_stays(team: Team, emulator: Emulator) -> None:
    team.job_in(team.accepted(team.ready("spring"))["id"], "succeeded")
    copy = copy_of(team)
    with unit_of_work(WORKER) as session:
        session.execute(update(ProviderFile).where(ProviderFile.id == copy.id).values(due_at=clock.now()))
    expire([copy.id])
    assert not has_no_copy(team)


def test_files_no_row_refers_to_are_swept_and_others_left_alone(team: Team, emulator: Emulator) -> None:
    team.job_in(team.accepted(team.ready("slack"))["id"], "succeeded")
    connection, account = credentials()
    content = conversations(12, "orphan")
    names = file_name("test", hashlib.sha256(content).hexdigest()), file_name("staging", "ab" * 32), "mine.jsonl"
    ids = [
        create_file(account, filename=name, content=io.BytesIO(content), size=len(content), alive=lambda: None).id
        for name in names
    ]
    sweep_account(connection, account, before=clock.now() + timedelta(days=365))  # the emulator's clock runs ahead
    assert [gateway.has_file(account, one) for one in (*ids, copy_of(team).provider_file_id)] == [
        False, True, True, True,
    ]  # fmt: skip
