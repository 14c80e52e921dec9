"""Changing jobs: what users ask for, and what workers found out. Never commits, never touches the network."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from service import audit, catalog, connections, costs, datasets, quotas, registry, tenants
from service.jobs import progress, queries, rules
from service.jobs.errors import DatasetNotReady, DatasetUnusable, JobIsOver
from service.jobs.models import Job
from service.jobs.rules import State
from service.jobs.schemas import Available, Estimate, JobRequest, Unavailable
from service.kit import ids, money, work
from service.kit.errors import Conflict, Invalid
from service.kit.identity import Actor
from service.kit.settings import settings


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request, resolved: what would be trained, where, and for how much."""

    team: tenants.TeamFacts
    connection: connections.ConnectionFacts
    base: catalog.BaseModelFacts
    dataset: datasets.DatasetFacts
    validation: datasets.DatasetFacts | None
    price: catalog.PriceFacts
    tokens_per_epoch: int
    epochs: int | None
    epochs_priced: int

    @property
    def cost(self) -> Decimal:
        return costs.quote(self.price, self.tokens_per_epoch * self.epochs_priced)


def submit(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Job:
    """Take the job on and hold its price.

    The workers do the rest. Raises what stands in the way, and then holds nothing.
    """
    if request.register_as is not None:
        registry.check_name(request.register_as.name, pointer="#/register/name")
    plan = _plan(session, actor, request, at)
    job_id = ids.new_id()
    chosen = request.method.hyperparameters
    job = Job(
        id=job_id,
        team_id=plan.team.id,
        created_by=actor.name,
        connection_id=plan.connection.id,
        provider=plan.connection.provider,
        base_model=plan.base.id,
        dataset_id=plan.dataset.id,
        validation_dataset_id=plan.validation.id if plan.validation else None,
        method=request.method.type,
        epochs=plan.epochs,
        batch_size=None if chosen.batch_size == "auto" else chosen.batch_size,
        learning_rate_multiplier=None if chosen.learning_rate_multiplier == "auto" else chosen.learning_rate_multiplier,
        suffix=request.suffix,
        seed=rules.seed_of(job_id) if request.seed is None else request.seed,
        labels=request.metadata,
        register_name=request.register_as.name if request.register_as else None,
        billed_tokens=plan.tokens_per_epoch,
        epochs_priced=plan.epochs_priced,
        price_id=plan.price.id,
        reserved=plan.cost,
        submit_key=rules.submit_key(settings().environment, job_id),
        state=State.QUEUED,
        attempts=0,
        events_count=0,
    )
    work.wake(job)
    session.add(job)
    session.flush()
    progress.tell(session, job, at, f"Queued to train {job.base_model} for {job.epochs_priced} epochs.")
    audit.record(
        session, actor, "job.submitted",
        object_type="job", object_id=ids.show("job", job_id), team_id=plan.team.id,
        after={"model": job.base_model, "reserved": money.text(plan.cost)},
    )  # fmt: skip
    session.flush()
    # Last, so that the lock on the team's hot budget row is as short as it can be.
    quotas.reserve(session, plan.team, job_id, plan.cost, base_model=plan.base.id, at=at)
    session.refresh(job)
    return job


def estimate(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Estimate:
    """What `submit` would hold for the same request, or what is missing to say so. Unknown ids are still errors."""
    try:
        plan = _plan(session, actor, request, at)
    except (Conflict, Invalid) as missing:
        return Unavailable(reason=missing.code, message=missing.message)
    left = quotas.budget(session, plan.team, at).left
    assumptions = [f"every example is trained {plan.epochs_priced} times", "validation tokens are free"]
    if plan.epochs is None:
        assumptions[0] = f"the provider chooses the epochs: priced at its maximum of {plan.epochs_priced}"
    return Available(
        tokens_per_epoch=plan.tokens_per_epoch,
        epochs=plan.epochs_priced,
        billed_tokens=plan.tokens_per_epoch * plan.epochs_priced,
        price=plan.cost,
        price_per_million_tokens=costs.quote(plan.price, 1_000_000),
        currency=plan.price.currency,
        price_id=ids.show("price", plan.price.id),
        fits_budget=plan.cost <= left,
        budget_left=max(left, money.ZERO),
        assumptions=assumptions,
    )


def _plan(session: Session, actor: Actor, request: JobRequest, at: datetime) -> _Plan:
    team = tenants.team(session, actor.team)
    connection = connections.of_team(session, team)
    base = catalog.trainable(session, connection.provider, request.model, at, method=request.method.type)
    dataset = _ready_dataset(session, team, request.dataset, "#/dataset")
    validation = None
    if request.validation_dataset is not None:
        validation = _ready_dataset(session, team, request.validation_dataset, "#/validation_dataset")
    asked = request.method.hyperparameters.n_epochs
    epochs = None if asked == "auto" else asked or dataset.default_epochs
    return _Plan(
        team=team,
        connection=connection,
        base=base,
        dataset=dataset,
        validation=validation,
        price=catalog.price(session, connection.provider, base.id, "training_tokens", at),
        tokens_per_epoch=dataset.billed_tokens(base.encoding, base.example_tokens_max),
        epochs=epochs,
        epochs_priced=rules.EPOCHS_AUTO_MAX if epochs is None else epochs,
    )


def _ready_dataset(session: Session, team: tenants.TeamFacts, shown_id: str, pointer: str) -> datasets.DatasetFacts:
    try:
        facts = datasets.facts(session, team.id, ids.read("dset", shown_id), pointer=pointer)
    except ids.UnknownId as error:
        raise datasets.DatasetUnknown(id=shown_id, pointer=pointer) from error
    if facts.state == datasets.State.INVALID:
        raise DatasetUnusable(dataset=shown_id, pointer=pointer)
    if facts.state != datasets.State.READY:
        raise DatasetNotReady(dataset=shown_id, pointer=pointer, retry_after_seconds=1)
    return facts


def cancel(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """End the job now if the provider surely has nothing of it, else ask the provider.

    Then the outcome is what it says.

    Asking again changes nothing. Raises JobIsOver for one that ended otherwise.
    """
    job = queries.get(session, actor.team, shown_id, lock=True)
    state = State(job.state)
    if state in {State.CANCELLING, State.CANCELLED}:
        return job
    if state in rules.TERMINAL:
        raise JobIsOver(job=shown_id, state=state.value)
    job.cancel_requested_at = at
    audit.record(
        session, actor, "job.cancel_requested",
        object_type="job", object_id=shown_id, team_id=job.team_id, before={"state": state.value},
    )  # fmt: skip
    if job.intent_at is None and job.provider_job_id is None:
        job.fence += 1  # whatever a worker is about to write is stale from here on
        progress.end_unbilled(session, job, State.CANCELLED, "Cancelled before the provider had it.", at)
    else:
        # The lease stays: a worker in the middle of a call records what it learns before anybody else looks. A job that
        # waited for a person is worked on again: what is wanted of it has become simple.
        job.attention = job.attention_since = None
        job.attempts = 0
        progress.enter(session, job, State.CANCELLING, "Cancelling at the provider; the outcome is what it says.", at)
        work.wake(job)
    session.flush()
    session.refresh(job)
    return job
