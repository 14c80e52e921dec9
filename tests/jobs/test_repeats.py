"""A job once more: retried or cloned, each a new job of its own; and a job moved before its provider has it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from service import catalog, connections, jobs, quotas
from service.cli.local import LocalStack
from service.datasets import flows as dataset_flows
from service.jobs import flows, progress, repeats
from service.jobs.errors import (
    ConnectionNotYours,
    JobNotOver,
    NothingToRetry,
    NotMovable,
    NotRepeatable,
    OptionUnsupported,
)
from service.jobs.models import Job
from service.jobs.rules import State, seed_of
from service.kit import ids, work
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from tests.jobs.factories import Desk, an_account, claim, training_costs
from tests.quotas.factories import AT, set_budget
from tests.stack import conversations

LATER = datetime(2026, 12, 20, tzinfo=UTC)
DEAR = "1000"  # for a million tokens


@pytest.fixture(scope="module", autouse=True)
def world(quiet: LocalStack) -> None:
    """Training becomes dearer some day; and there is a provider nobody has chosen, where it costs far more."""
    training_costs("6", start=datetime(2026, 12, 1, tzinfo=UTC))
    training_costs(DEAR, provider="dear")
    training_costs("3", provider="strict", hyperparameters={"supervised": {"batch_size": {"max": 2}}})


@pytest.fixture
def desk() -> Desk:
    return Desk(at=AT)


@pytest.fixture
def dataset(desk: Desk) -> UUID:
    return desk.shelf.checked(conversations(30))


def ended(desk: Desk, job: Job, state: State) -> Job:
    """As if the provider had said so; nothing was trained."""

    def end(session: Any, row: Job) -> None:
        row.provider_job_id, row.state, row.trained_tokens = f"ftjob-{row.id}", State.RUNNING, 0
        progress.end_at_provider(session, row, state, "It is over.", AT)

    desk.write(job, end)
    return desk.row(job)


WHOLE: dict[str, Any] = {
    "method": {"type": "supervised", "hyperparameters": {"n_epochs": 2, "batch_size": 4}},
    "suffix": "keeper", "metadata": {"ticket": "ML-42"}, "register": {"name": "keeper"},
}  # fmt: skip
ASKED = ("base_model", "dataset_id", "validation_dataset_id", "method", "epochs", "batch_size", "suffix", "labels",
         "register_name", "options", "connection_id")  # fmt: skip


def asked(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ASKED}


def test_a_failed_job_is_retried_as_a_new_one_at_todays_price(desk: Desk, dataset: UUID) -> None:
    validation = desk.shelf.checked(conversations(12, "moon"))
    old = ended(desk, desk.submit(dataset, validation_dataset=ids.show("dset", validation), **WHOLE), State.FAILED)
    new = desk.ask(jobs.retry, old, at=LATER)
    assert asked(new) == asked(old)
    assert (new.origin, new.origin_id, new.state) == ("retry", old.id, "queued")
    assert new.reserved == 2 * old.reserved > 0  # 6 USD a million, not 3
    assert new.submit_key != old.submit_key
    assert (new.seed, old.seed) == (seed_of(new.id), seed_of(old.id))
    assert asked(desk.row(old)) == asked(old)


def test_a_seed_that_was_asked_for_is_asked_for_again(desk: Desk, dataset: UUID) -> None:
    old = ended(desk, desk.submit(dataset, seed=42), State.CANCELLED)
    assert desk.ask(jobs.retry, old).seed == 42


def test_only_what_failed_or_was_cancelled_is_retried(desk: Desk, dataset: UUID) -> None:
    job = desk.submit(dataset)
    with pytest.raises(JobNotOver):
        desk.ask(jobs.retry, job)
    ended(desk, job, State.SUCCEEDED)
    with pytest.raises(NothingToRetry):
        desk.ask(jobs.retry, job)
    assert len(desk.history(job)) == desk.row(job).events_count


def test_any_job_is_cloned_with_changes(desk: Desk, dataset: UUID) -> None:
    old = desk.submit(dataset, **WHOLE)
    changes = jobs.CloneRequest.model_validate({"suffix": "second", "register": None, "metadata": {}})
    new = desk.ask(repeats.clone, old, changes)
    assert asked(new) == {**asked(old), "suffix": "second", "register_name": None, "labels": {}}
    assert (new.origin, new.origin_id) == ("clone", old.id)


@pytest.mark.parametrize("changes", [{"n_epochs": 5}, {"hyperparameters": {"n_epochs": 5}}])
def test_a_clone_takes_a_hyperparameter_by_its_old_name(desk: Desk, dataset: UUID, changes: dict[str, Any]) -> None:
    old = desk.submit(dataset, **WHOLE)
    new = desk.ask(jobs.clone, old, jobs.CloneRequest.model_validate(changes))
    assert asked(new) == asked(old) | {"epochs": 5}


def test_a_clone_with_other_data_does_not_measure_on_the_old(desk: Desk, dataset: UUID) -> None:
    validation = desk.shelf.checked(conversations(12, "moon"))
    old = desk.submit(dataset, validation_dataset=ids.show("dset", validation))
    other = desk.shelf.checked(conversations(20, "star"))
    new = desk.ask(repeats.clone, old, jobs.CloneRequest(dataset=ids.show("dset", other)))
    assert (new.dataset_id, new.validation_dataset_id) == (other, None)
    swapped = desk.ask(repeats.clone, old, jobs.CloneRequest(validation_dataset=ids.show("dset", other)))
    assert (swapped.dataset_id, swapped.validation_dataset_id) == (dataset, other)


def test_changes_that_make_no_request_are_refused_by_name(desk: Desk, dataset: UUID) -> None:
    job = desk.submit(dataset)
    with pytest.raises(NotRepeatable, match="dataset"):
        desk.ask(repeats.clone, job, jobs.CloneRequest.model_validate({"dataset": None}))


# ---------------------------------------------------------------------------------------------------------------- move
@pytest.fixture(scope="module")
def spare(world: None) -> str:
    return an_account("spare")


@pytest.fixture(scope="module")
def dear(world: None) -> str:
    return an_account("dear", provider="dear")


def moved(desk: Desk, job: Job, connection: str, role: str = "operator") -> Job:
    mover = replace(desk.actor, role=role)
    with unit_of_work(mover) as session:
        return jobs.move(session, mover, ids.show("job", job.id), connection, desk.at)


def upload(session: Any, job: Job) -> None:
    job.slot_at = AT
    job.provider_file_id = "file-there"
    progress.enter(session, job, State.UPLOADING, "Uploading.", AT)


def test_a_job_moved_while_it_is_uploaded_waits_anew_and_its_worker_writes_nothing(
    desk: Desk, dataset: UUID, spare: str
) -> None:
    job = desk.submit(dataset)
    desk.write(job, upload)
    desk.write(job, lambda _, row: work.wake(row))
    ghost = claim(jobs.SUBMIT, job)
    there = moved(desk, job, spare)
    assert (ids.show("conn", there.connection_id), there.state) == (spare, "queued")
    assert (there.provider_file_id, there.slot_at, there.due_at, there.lease_until) == (None, None, None, None)
    assert (there.reserved, there.price_id) == (job.reserved, job.price_id)
    with unit_of_work(desk.actor) as session, pytest.raises(work.StaleClaim):
        work.recording(session, Job, ghost)
    assert desk.states(job) == ["queued", "uploading", "queued"]
    assert "spare" in next(event.message for event in desk.history(job) if event.type == "message")
    before = there.fence
    assert moved(desk, job, spare).fence == before  # it is there already


def test_what_the_provider_may_have_stays_where_it_is(desk: Desk, dataset: UUID, spare: str) -> None:
    job = desk.submit(dataset)

    def intend(session: Any, row: Job) -> None:
        upload(session, row)
        progress.enter(session, row, State.SUBMITTING, "Creating.", AT)
        row.intent_at = AT

    desk.write(job, intend)
    with pytest.raises(NotMovable):
        moved(desk, job, spare)
    running = desk.submit(dataset)
    ended(desk, running, State.FAILED)
    with pytest.raises(NotMovable):
        moved(desk, running, spare)


def test_at_a_dearer_provider_the_difference_is_held_and_at_home_given_back(
    desk: Desk, dataset: UUID, dear: str
) -> None:
    job = desk.submit(dataset)
    there = moved(desk, job, dear)
    assert there.provider == "dear"
    assert there.reserved == Decimal(DEAR) * there.billed_tokens * there.epochs_priced / 1_000_000
    assert desk.money().reserved == desk.money().held == there.reserved > job.reserved
    with read_only(desk.actor) as session:
        default = connections.default(session)
    assert default is not None
    home = moved(desk, job, ids.show("conn", default.id))
    assert desk.money().reserved == desk.money().held == home.reserved == job.reserved
    assert home.price_id == job.price_id


def test_without_room_for_the_difference_nothing_is_moved(desk: Desk, dataset: UUID, dear: str) -> None:
    job = desk.submit(dataset)
    set_budget(desk.team, str(job.reserved * 2))
    with pytest.raises(quotas.BudgetExceeded):
        moved(desk, job, dear)
    stays = desk.row(job)
    assert (stays.connection_id, stays.reserved, stays.fence) == (job.connection_id, job.reserved, job.fence)
    assert desk.money().reserved == desk.money().held == job.reserved


def test_nobody_evades_an_approval_by_moving(desk: Desk, dataset: UUID, dear: str) -> None:
    job = desk.submit(dataset)
    with unit_of_work(CLI) as session:
        quotas.set_team_limits(session, CLI, desk.team, quotas.LimitsSet(approval_above=str(job.reserved)))
    with pytest.raises(NotMovable, match="approval"):
        moved(desk, job, dear)
    asks = desk.submit(dataset, method={"type": "supervised", "hyperparameters": {"n_epochs": 9}})
    assert asks.state == "awaiting_approval"
    there = moved(desk, asks, dear)
    assert (there.state, there.due_at) == ("awaiting_approval", asks.due_at)
    assert desk.money().held == job.reserved + there.reserved


def test_a_job_that_waits_for_its_data_is_priced_where_it_was_moved_to(desk: Desk, dear: str) -> None:
    data = desk.shelf.put(conversations(20, "new"))
    job = moved(desk, desk.submit(data), dear)
    assert job.state == "waiting_for_dataset"
    assert job.reserved == 0
    dataset_flows.validate([data])
    flows.prepare([job.id])
    taken = desk.row(job)
    assert (taken.state, taken.provider) == ("queued", "dear")
    assert taken.reserved == Decimal(DEAR) * taken.billed_tokens * taken.epochs_priced / 1_000_000


def test_what_a_provider_does_not_take_is_not_moved_there(desk: Desk, dataset: UUID) -> None:
    strict = an_account(f"strict-{desk.team.slug}", provider="strict")
    job = desk.submit(dataset, **WHOLE)
    with pytest.raises(OptionUnsupported) as refused:
        moved(desk, job, strict)
    assert refused.value.pointer == "#/method/hyperparameters/batch_size"
    assert desk.row(job).connection_id == job.connection_id
    assert moved(desk, desk.submit(dataset), strict).provider == "strict"


def test_a_model_that_is_not_offered_there_cannot_be_trained_there(desk: Desk, dataset: UUID) -> None:
    nowhere = an_account(f"nowhere-{desk.team.slug}", provider="nowhere")
    job = desk.submit(dataset)
    with pytest.raises(catalog.UnknownBaseModel):
        moved(desk, job, nowhere)
    assert desk.row(job).connection_id == job.connection_id


def test_a_team_moves_to_its_own_account_or_the_default_only(desk: Desk, dataset: UUID, spare: str) -> None:
    job = desk.submit(dataset)
    with pytest.raises(ConnectionNotYours):
        moved(desk, job, spare, role="admin")
    with pytest.raises(connections.ConnectionNotFound):
        moved(desk, job, ids.show("conn", job.id), role="admin")
    with unit_of_work(CLI) as session:
        chosen = connections.find(session, spare).id
        session.execute(text("UPDATE teams SET connection_id = :to WHERE id = :id"), {"to": chosen, "id": desk.team.id})
    assert moved(desk, job, spare, role="admin").connection_id == chosen
