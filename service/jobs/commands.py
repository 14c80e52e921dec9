"""Taking jobs on. Never commits, never touches the network."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service import audit, quotas, registry
from service.jobs import admission, planning, progress, rules
from service.jobs.models import Job
from service.jobs.rules import Origin, State
from service.jobs.schemas import JobRequest
from service.kit import ids, money, work
from service.kit.identity import Actor
from service.kit.settings import settings


def submit(
    session: Session, actor: Actor, request: JobRequest, at: datetime, *, origin: tuple[Origin, UUID] | None = None
) -> Job:
    """Take the job on and hold its price, or let it wait for its data first; the workers do the rest.

    `origin`: why it repeats which job, if it does.

    Raises what stands in the way, and then holds nothing.
    """
    if request.register_as is not None:
        registry.check_name(request.register_as.name, pointer="#/register/name")
    recipe = planning.resolve(session, actor, request, at)
    plan = planning.priced(session, recipe, at) if recipe.is_ready else None
    job = _job(actor, request, recipe)
    job.origin, job.origin_id = origin or (None, None)
    session.add(job)
    session.flush()
    audit.record(
        session,
        actor,
        "job.submitted",
        object_type="job",
        object_id=ids.show("job", job.id),
        team_id=job.team_id,
        after={"model": job.base_model, "price": money.text(plan.cost) if plan else None},
    )
    quotas.count_job(session, recipe.team, at)
    if plan is None:
        progress.tell(session, job, at, "Waiting for the dataset to be checked; until then nobody knows the price.")
        work.wake(job)
        session.flush()
    else:
        admission.take_up(session, job, plan, at)
    session.refresh(job)
    return job


def _job(actor: Actor, request: JobRequest, recipe: planning.Recipe) -> Job:
    """The row of what was asked, in the first of all states; `admission` takes it on from there."""
    job_id = ids.new_id()
    chosen = request.method.hyperparameters
    return Job(
        id=job_id,
        team_id=recipe.team.id,
        created_by=actor.name,
        connection_id=recipe.connection.id,
        provider=recipe.connection.provider,
        base_model=recipe.base.id,
        dataset_id=recipe.dataset.id,
        validation_dataset_id=recipe.validation.id if recipe.validation else None,
        method=request.method.type,
        epochs=recipe.epochs if isinstance(recipe.epochs, int) else None,
        options={"n_epochs": "auto"} if recipe.epochs == "auto" else {},
        batch_size=None if chosen.batch_size == "auto" else chosen.batch_size,
        learning_rate_multiplier=None if chosen.learning_rate_multiplier == "auto" else chosen.learning_rate_multiplier,
        suffix=request.suffix,
        seed=rules.seed_of(job_id) if request.seed is None else request.seed,
        labels=request.metadata,
        register_name=request.register_as.name if request.register_as else None,
        submit_key=rules.submit_key(settings().environment, job_id),
        state=State.WAITING_FOR_DATASET,
        priority=0,
        attempts=0,
        events_count=0,
    )
