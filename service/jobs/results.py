"""What came out of a job, for its users: its table, what its curves advise, and its models as versions."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from service import datasets, registry
from service.jobs import advice, progress, queries
from service.jobs.errors import CheckpointNotFound, JobHasNoModel, NoResults, ResultsNotReady, UnknownJob
from service.jobs.measures import NAMES, Measured
from service.jobs.models import Job, JobMetric
from service.jobs.rules import TERMINAL, State
from service.jobs.schemas import VersionRequest
from service.kit import ids, storage
from service.kit.identity import Actor


def results_key(job: Job) -> str:
    """Where the provider's table of steps lies in our storage. Raises ResultsNotReady or NoResults."""
    shown = ids.show("job", job.id)
    if job.results_key is not None:
        return job.results_key
    # A job the provider never had is over at once, and nothing is collected.
    if job.collected_at is not None or (job.state in TERMINAL and job.provider_job_id is None):
        raise NoResults(job=shown)
    raise ResultsNotReady(job=shown, state=job.state, retry_after_seconds=5)


def read_results(job: Job) -> tuple[int, Iterator[bytes]]:
    """The size and the bytes of the provider's table. Raises ResultsNotReady or NoResults."""
    key = results_key(job)
    try:
        return storage.size(key), storage.read(key)
    except FileNotFoundError as error:
        raise NoResults(job=ids.show("job", job.id)) from error


def advise(session: Session, job: Job) -> list[advice.Advice]:
    """What the job's curves and data advise, the gravest first."""
    dataset = datasets.facts(session, job.team_id, job.dataset_id)
    multiplier = job.learning_rate_multiplier
    facts = advice.Facts(
        examples=dataset.examples,
        epochs=_epochs(job),
        learning_rate_multiplier=None if multiplier is None else float(multiplier),
        is_complete=job.state == State.SUCCEEDED,
    )
    return advice.advise(facts, measured(queries.metrics(session, job)))


def measured(metrics: Sequence[JobMetric]) -> list[Measured]:
    """Rows as the rules know them."""
    return [
        Measured(row.step, row.total_steps, {name: getattr(row, name) for name in NAMES}, row.others) for row in metrics
    ]


def _epochs(job: Job) -> int | None:
    """As asked, or where the provider chose, as many as the billed tokens show; reinforcement is not billed by them."""
    if job.epochs is not None or not job.billed_tokens or not job.trained_tokens or job.method == "reinforcement":
        return job.epochs
    return max(1, round(job.trained_tokens / job.billed_tokens)) if job.state == State.SUCCEEDED else None


def register_version(session: Session, actor: Actor, name: str, request: VersionRequest) -> registry.VersionView:
    """Make a checkpoint of a job, or its final model, the next version of `name`; again, it is the version it became.

    Raises UnknownJob, CheckpointNotFound, JobHasNoModel, and what registering raises.
    """
    job = _job(session, actor.team, request.job)
    model = job.fine_tuned_model if request.checkpoint_step is None else _model_at(session, job, request)
    if model is None:
        raise JobHasNoModel(job=request.job, state=job.state, pointer="#/job")
    version = progress.register(session, actor, job, name=name, model=model)
    return registry.find_version(session, actor.team, version.id)


def _job(session: Session, team_id: UUID, shown: str) -> Job:
    try:
        return queries.get(session, team_id, shown)
    except (UnknownJob, ids.UnknownId) as error:
        raise UnknownJob(job=shown, pointer="#/job") from error


def _model_at(session: Session, job: Job, request: VersionRequest) -> str:
    found = next((one for one in queries.checkpoints(session, job) if one.step == request.checkpoint_step), None)
    if found is None:
        raise CheckpointNotFound(job=request.job, step=request.checkpoint_step, pointer="#/checkpoint_step")
    return found.model
