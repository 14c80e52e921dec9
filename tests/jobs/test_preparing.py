"""Jobs that wait for their data: taken up when it is ready, at that day's price, or ended with the reason."""

import pytest

from service import jobs
from service.cli.local import LocalStack
from service.datasets import flows as dataset_flows
from service.jobs import flows
from service.jobs.flows import preparing
from service.kit import clock, ids, work
from service.kit.db import unit_of_work
from tests.datasets.factories import make_due
from tests.jobs.factories import Desk, age, claim
from tests.quotas.factories import set_budget
from tests.stack import conversations


@pytest.fixture
def desk(quiet: LocalStack) -> Desk:
    return Desk()


def test_a_job_waits_for_its_data_and_is_then_taken_up_at_its_price(desk: Desk) -> None:
    dataset = desk.shelf.put(conversations(30))
    job = desk.submit(dataset)
    assert job.state == "waiting_for_dataset"
    assert job.reserved == desk.money().reserved == 0
    for _ in range(2):
        age(job)
        flows.prepare([job.id])
    waiting = desk.row(job)
    assert (waiting.state, waiting.attempts, waiting.lease_until) == ("waiting_for_dataset", 0, None)
    assert waiting.due_at is not None
    assert waiting.due_at > clock.now()
    dataset_flows.validate([dataset])
    age(job)
    flows.prepare([job.id])
    taken = desk.row(job)
    assert (taken.state, taken.price_id is None) == ("queued", False)
    assert taken.reserved == desk.money().held > 0
    assert desk.states(job) == ["waiting_for_dataset", "queued"]


def test_the_longer_it_waits_the_rarer_it_is_looked_at(desk: Desk) -> None:
    job = desk.submit(desk.shelf.put(conversations(30)))
    flows.prepare([job.id])
    waiting = desk.row(job)
    assert waiting.due_at is not None
    assert 0 < (waiting.due_at - clock.now()).total_seconds() <= 1


def test_a_job_waits_for_its_validation_data_too(desk: Desk) -> None:
    whole = desk.shelf.checked(conversations(40))
    train, validation = desk.shelf.split(whole, validation_count=5)
    job = desk.submit(train, validation_dataset=ids.show("dset", validation))
    dataset_flows.validate([train])
    flows.prepare([job.id])
    assert desk.row(job).state == "waiting_for_dataset"
    make_due(validation)
    dataset_flows.validate([validation])
    age(job)
    flows.prepare([job.id])
    assert desk.row(job).state == "queued"


def test_what_does_not_fit_the_budget_then_fails_and_holds_nothing(desk: Desk) -> None:
    dataset = desk.shelf.put(conversations(30))
    job = desk.submit(dataset)
    set_budget(desk.team, "0.000001", at=clock.now())
    dataset_flows.validate([dataset])
    flows.prepare([job.id])
    failed = desk.row(job)
    assert (failed.state, failed.error_code, failed.due_at) == ("failed", "budget_exceeded", None)
    assert failed.finished_at is not None
    assert failed.cost == 0
    assert desk.money().reserved == 0
    assert (desk.states(job), failed.error_message) == (
        ["waiting_for_dataset", "failed"], desk.history(job)[-1].message,
    )  # fmt: skip


def test_errors_in_the_data_fail_the_job_by_name(desk: Desk) -> None:
    dataset = desk.shelf.put(b'{"messages": []}\n' * 30)
    job = desk.submit(dataset)
    dataset_flows.validate([dataset])
    flows.prepare([job.id])
    failed = desk.row(job)
    assert (failed.state, failed.error_code) == ("failed", "dataset_invalid")
    assert ids.show("dset", dataset) in (failed.error_message or "")


def test_cancelled_while_it_waits_it_ends_at_once_and_the_worker_writes_nothing(desk: Desk) -> None:
    dataset = desk.shelf.put(conversations(30))
    job = desk.submit(dataset)
    ghost = claim(jobs.PREPARE, job)
    with unit_of_work(desk.actor) as session:
        jobs.cancel(session, desk.actor, ids.show("job", job.id), clock.now())
    dataset_flows.validate([dataset])
    with pytest.raises(work.StaleClaim):
        preparing.take_up(ghost)
    ended = desk.row(job)
    assert ended.state == "cancelled"
    assert ended.cost == desk.money().reserved == 0
