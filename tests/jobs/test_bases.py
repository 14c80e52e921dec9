"""Going on from a tuned model: which ones, from whose jobs and registry, and at what price. And finding jobs again."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from service import jobs, registry
from service.jobs import progress
from service.jobs.errors import TunedModelElsewhere, UnknownTunedModel
from service.jobs.flows import orders
from service.jobs.models import SUBMIT, Job, JobCheckpoint
from service.jobs.rules import State
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.errors import TuneplaneError
from service.kit.identity import WORKER
from service.provider.shapes import JobOrder
from service.registry import ModelNotFound, NothingServed, VersionNotFound
from service.registry.models import ModelVersion
from tests.jobs.factories import Desk, age, an_account, at_account, claim
from tests.stack import conversations

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def chats(desk: Desk) -> UUID:
    return desk.shelf.checked(conversations(60))


def made_by(desk: Desk, dataset: UUID, model: str, *, register: str | None = None) -> Job:
    """A job of the desk's that has made this model; with `register` also its version, promoted to production."""
    job = desk.submit(dataset, **({"register": {"name": register}} if register else {}))

    def end(session: Any, row: Job) -> None:
        row.provider_job_id, row.state = f"ftjob-{row.id}", State.RUNNING
        row.fine_tuned_model, row.trained_tokens = model, 1
        progress.end_at_provider(session, row, State.SUCCEEDED, "It is over.", clock.now())
        if register:
            session.query(ModelVersion).filter_by(provider_model_id=model).update({"state": registry.State.READY})
            number = registry.find_model(session, row.team_id, register).versions[0].number
            at = clock.now()
            registry.promote(session, desk.actor, register, "production", version=number, reason=None, at=at)

    desk.write(job, end)
    return job


def tuned(desk: Desk, name: str) -> str:
    return f"ft:gpt-4.1-mini-2025-04-14:acme:{name}:{desk.team.slug}"


def test_a_model_of_the_teams_own_job_is_trained_on_at_its_base_models_price(desk: Desk, chats: UUID) -> None:
    made_by(desk, chats, tuned(desk, "a"))
    job = desk.submit(chats, model=tuned(desk, "a"))
    assert (job.start_from, job.base_model) == (tuned(desk, "a"), "gpt-4o-mini-2024-07-18")
    assert ordered(job).model == tuned(desk, "a")


def test_a_job_that_went_on_from_a_model_is_brought_again_whatever_the_provider_calls_that(
    desk: Desk, chats: UUID
) -> None:
    model = f"gpt-4o-mini-2024-07-18.ft-{desk.team.slug}"  # as Azure names them
    made_by(desk, chats, model, register="keeper")
    job = desk.submit(chats, model="registry:keeper")
    again = desk.ask(jobs.clone, job, jobs.CloneRequest())
    assert (job.start_from, again.start_from, again.base_model) == (model, model, job.base_model)


def ordered(job: Job) -> JobOrder:
    """What a worker would send to the provider, once the job has its turn."""
    with unit_of_work(WORKER) as session:
        session.execute(update(Job).where(Job.id == job.id).values(slot_at=clock.now()))
    age(job)
    return orders.look(claim(SUBMIT, job)).as_provider_takes_it()


def test_a_checkpoint_is_trained_on_too(desk: Desk, chats: UUID) -> None:
    job, model = made_by(desk, chats, tuned(desk, "b")), f"{tuned(desk, 'b')}:ckpt-step-7"
    with unit_of_work(desk.actor) as session:
        session.add(
            JobCheckpoint(
                team_id=desk.team.id, job_id=job.id, step=7, provider_id="ftckpt_1", model=model, metrics={},
                at=clock.now(),
            )
        )  # fmt: skip
    assert desk.submit(chats, model=model).start_from == model


@pytest.mark.parametrize(
    ("name", "which"),
    [("registry:keeper", "two"), ("registry:keeper@production", "two"), ("registry:keeper@1", "one")],
)
def test_the_registry_says_what_to_go_on_from(desk: Desk, chats: UUID, name: str, which: str) -> None:
    for model in ("one", "two"):
        made_by(desk, chats, tuned(desk, model), register="keeper")
    job = desk.submit(chats, model=name)
    assert job.start_from == tuned(desk, which)
    assert jobs.JobView.of(desk.row(job)).start_from == tuned(desk, which)


@pytest.mark.parametrize(
    ("name", "error"),
    [("registry:keeper@staging", NothingServed), ("registry:keeper@3", VersionNotFound), ("registry:x", ModelNotFound)],
)
def test_what_the_registry_does_not_have_is_not_gone_on_from(
    desk: Desk, chats: UUID, name: str, error: type[TuneplaneError]
) -> None:
    made_by(desk, chats, tuned(desk, "one"), register="keeper")
    with pytest.raises(error):
        desk.submit(chats, model=name)


def test_another_teams_model_does_not_exist(desk: Desk, chats: UUID) -> None:
    other = Desk()
    theirs = other.shelf.checked(conversations(60, topic="moon"))
    made_by(other, theirs, tuned(other, "secret"), register="keeper")
    for name in (tuned(other, "secret"), "registry:keeper"):
        with pytest.raises((UnknownTunedModel, ModelNotFound)):
            desk.submit(chats, model=name)


def test_a_model_at_another_account_is_not_trained_on_here(desk: Desk, chats: UUID) -> None:
    made_by(desk, chats, tuned(desk, "a"), register="keeper")
    at_account(desk, an_account("elsewhere"))
    for name in (tuned(desk, "a"), "registry:keeper"):
        with pytest.raises(TunedModelElsewhere):
            desk.submit(chats, model=name)


def test_a_repeated_job_goes_on_from_the_same_model(desk: Desk, chats: UUID) -> None:
    made_by(desk, chats, tuned(desk, "a"), register="keeper")
    job = desk.submit(chats, model="registry:keeper", n_epochs=2)
    again = desk.ask(jobs.clone, job, jobs.CloneRequest())
    assert (again.start_from, again.epochs) == (tuned(desk, "a"), 2)


# ---------------------------------------------------------------------------------------------------------- the filters
def test_jobs_are_found_by_their_labels(desk: Desk, chats: UUID) -> None:
    labels: list[dict[str, str]] = [{"kind": "a", "run": "1"}, {"kind": "b", "run": "1"}, {}]
    a, b, _ = (desk.submit(chats, metadata=one) for one in labels)

    def found(**labels: str) -> set[UUID]:
        with read_only(desk.actor) as session:
            return {row.id for row in jobs.page(session, desk.team.id, after=None, limit=10, metadata=labels)[0]}

    assert found(run="1") == {a.id, b.id}
    assert found(run="1", kind="a") == {a.id}
    assert found(run="2") == found(kind="a", run="2") == set()
    assert len(found()) == 3
