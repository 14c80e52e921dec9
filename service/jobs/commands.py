"""Taking jobs on. Never commits, never touches the network."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service import audit, datasets, quotas, registry
from service.jobs import admission, cautions, legacy, planning, progress, rules
from service.jobs.models import Job
from service.jobs.rules import Origin, State
from service.jobs.schemas import JobRequest, JobWarning, options_of
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
    modern, warnings = legacy.modernised(request)
    _check_names(modern)
    recipe = planning.resolve(session, actor, modern, at, as_sent=request)
    if modern.split is not None:
        recipe = _cut(session, actor, recipe, modern.split)
    plan = planning.priced(session, recipe, at) if recipe.is_ready else None
    base = recipe.base
    warnings += cautions.of_request(modern, base=base.id, shutdown=base.shutdown_date, at=at)
    job = _job(actor, modern, recipe, warnings)
    job.origin, job.origin_id = origin or (None, None)
    _hold_data(session, job)
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


def _check_names(request: JobRequest) -> None:
    """Whether the registry will take the names the tuned model is to have."""
    if request.register_as is not None:
        registry.check_name(request.register_as.name, pointer="#/register/name")
        if request.register_as.alias is not None:
            registry.check_name(request.register_as.alias, pointer="#/register/alias")


def _hold_data(session: Session, job: Job) -> None:
    """Both files in the order of their ids, as whoever erases takes them: then nobody waits in a circle."""
    files = {job.dataset_id: "#/dataset"}
    if job.validation_dataset_id is not None:
        files.setdefault(job.validation_dataset_id, "#/validation_dataset")
    for dataset_id in sorted(files):
        datasets.hold(session, job.team_id, dataset_id, job.id, pointer=files[dataset_id])


def _cut(session: Session, actor: Actor, recipe: planning.Recipe, split: datasets.SplitRequest) -> planning.Recipe:
    """The recipe on the two parts of its dataset, which a worker makes and checks if they are new."""
    parts = datasets.derive_split(
        session,
        actor,
        recipe.dataset.id,
        seed=split.seed,
        validation_fraction=split.validation_fraction,
        validation_count=split.validation_count,
        by_answer=split.stratify_by is not None,
        pointer="#/split",
    )
    train, validation = (datasets.facts(session, recipe.team.id, part, pointer="#/split") for part in parts)
    return replace(recipe, dataset=train, validation=validation)


def _job(actor: Actor, request: JobRequest, recipe: planning.Recipe, warnings: list[JobWarning]) -> Job:
    """The row of what was asked, in the first of all states; `admission` takes it on from there."""
    job_id = ids.new_id()
    chosen, register = recipe.method.hyperparameters, request.register_as
    suffix, reshaped = cautions.usable_suffix(request.suffix) if request.suffix else (None, [])
    return Job(
        id=job_id,
        team_id=recipe.team.id,
        created_by=actor.name,
        connection_id=recipe.connection.id,
        provider=recipe.connection.provider,
        base_model=recipe.base.id,
        start_from=recipe.start_from,
        dataset_id=recipe.dataset.id,
        validation_dataset_id=recipe.validation.id if recipe.validation else None,
        method=recipe.method.type,
        epochs=None if chosen.n_epochs == "auto" else chosen.n_epochs,
        batch_size=None if chosen.batch_size == "auto" else chosen.batch_size,
        learning_rate_multiplier=None if chosen.learning_rate_multiplier == "auto" else chosen.learning_rate_multiplier,
        options=options_of(recipe.method),
        suffix=suffix,
        seed=rules.seed_of(job_id) if request.seed is None else request.seed,
        labels=request.metadata,
        integrations=[one.model_dump(exclude_none=True) for one in request.integrations],
        priority=request.priority,
        classify=request.classify,
        register_name=register.name if register else None,
        register_alias=register.alias if register else None,
        max_cost=recipe.max_cost,
        warnings=[one.model_dump() for one in (*warnings, *reshaped)],
        submit_key=rules.submit_key(settings().environment, job_id),
        state=State.WAITING_FOR_DATASET,
        attempts=0,
        events_count=0,
    )
