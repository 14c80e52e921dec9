"""Writing down what became of a job: the arrows it follows, what the provider said, how it ended and what that cost."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service import catalog, costs, datasets, registry, tenants, webhooks
from service.jobs import hours, measures, queries, rules, turns
from service.jobs.hours import HOURS, PAID_BY_HOUR
from service.jobs.models import Job, JobEvent, JobMetric
from service.jobs.rules import State
from service.kit import ids, money, work
from service.kit.identity import Actor, worker_for
from service.provider.shapes import RemoteEvent


def enter(session: Session, job: Job, state: State, message: str, at: datetime) -> None:
    """Follow an arrow and say so in the job's history. Staying where one is needs no word."""
    current = State(job.state)
    if state == current:
        return
    if not rules.may_follow(current, state):
        raise AssertionError(f"job {job.id}: no arrow from {current} to {state}")
    job.state = state
    tell(session, job, at, message)


def tell(session: Session, job: Job, at: datetime, message: str) -> None:
    """Write the state the job has just entered into its history and into the outbox."""
    say(session, job, at, "state", message)
    event = webhooks.EventType(f"job.{job.state}")
    webhooks.publish(session, job.team_id, event, at, id=ids.show("job", job.id), state=job.state)


def end_unbilled(session: Session, job: Job, state: State, message: str, at: datetime) -> None:
    """End a job the provider never had, or refused: its money goes back to the budget."""
    enter(session, job, state, message, at)
    costs.release(session, job.team_id, job.id)
    job.cost = money.ZERO
    job.finished_at = at
    turns.release(job)
    datasets.release(session, job.team_id, job.id)
    work.finish(job)


def end_at_provider(session: Session, job: Job, state: State, message: str, at: datetime) -> None:
    """End a job the provider ended: charge what was trained and, on success, add the model to the registry.

    All at once. What is paid by the hour is charged for captured progress, and a failure leaves none.
    """
    enter(session, job, state, message, at)
    price = catalog.price_by_id(session, frozen(job.price_id))
    if price.meter == HOURS:
        quantity, accrued = _seconds_captured(session, job, at), True
        job.trained_seconds = quantity
    else:
        quantity, accrued = _tokens_trained(session, job)
        job.trained_tokens = quantity
    charge(session, job, quantity, at, accrued=accrued)
    job.finished_at = at
    if state == State.SUCCEEDED and job.register_name and job.fine_tuned_model:
        version = register(
            session, worker_for(job.team_id), job,
            name=job.register_name, model=job.fine_tuned_model, promote_to=job.register_alias,
        )  # fmt: skip
        say(session, job, at, "message", f"Registered as version {version.number} of {job.register_name}.")
    turns.release(job)
    datasets.release(session, job.team_id, job.id)
    work.finish(job)
    work.wake(job)  # what came out of it is still to be collected


def charge(session: Session, job: Job, quantity: int, at: datetime, *, accrued: bool) -> None:
    """Book what the provider's job comes to, in tokens or seconds, and settle what is held for it; once."""
    job.cost = costs.charge_training(
        session,
        tenants.team(session, job.team_id),
        job_id=job.id,
        connection_id=job.connection_id,
        provider=job.provider,
        provider_job_id=job.provider_job_id or "",
        base_model=job.base_model,
        model=job.fine_tuned_model,
        price=catalog.price_by_id(session, frozen(job.price_id)),
        quantity=quantity,
        at=at,
        accrued=accrued,
    )


def register(
    session: Session, actor: Actor, job: Job, *, name: str, model: str, promote_to: str | None = None
) -> registry.VersionFacts:
    """Make a model of the job the next version under `name`; the same model again is the version it already is."""
    return registry.register(
        session,
        actor,
        team_id=job.team_id,
        name=name,
        job_id=job.id,
        provider_model_id=model,
        base_model=job.base_model,
        connection_id=job.connection_id,
        dataset_id=job.dataset_id,
        shutdown_date=catalog.base_model(session, job.provider, job.base_model).shutdown_date,
        promote_to=promote_to,
    )


def frozen(price_id: UUID | None) -> UUID:
    """The price a job was given with its money. A job the provider has had surely has one."""
    if price_id is None:
        raise AssertionError("a job without a price was charged")
    return price_id


def stop_at_max_cost(session: Session, job: Job, at: datetime) -> bool:
    """Have a job that is paid by the hour cancelled once its hours come to what it may cost; whether that is so."""
    if job.method not in PAID_BY_HOUR or job.max_cost is None:
        return False
    spent = costs.quote(catalog.price_by_id(session, frozen(job.price_id)), _seconds_trained(session, job, now=at))
    if spent < job.max_cost:
        return False
    job.cancel_requested_at = at
    message = f"Its hours come to {money.text(spent)} {money.CURRENCY}, all it may cost: cancelling at the provider."
    enter(session, job, State.CANCELLING, message, at)
    return True


def _seconds_captured(session: Session, job: Job, at: datetime) -> int:
    """What is paid of a job that has ended: nothing of a failure; of a success nobody told about, what we have seen."""
    if job.state == State.FAILED:
        return 0
    told = _seconds_trained(session, job)
    if told == 0 and job.state == State.SUCCEEDED:
        return int((at - (job.started_at or job.submitted_at or job.created_at)).total_seconds())
    return told


def _seconds_trained(session: Session, job: Job, *, now: datetime | None = None) -> int:
    return hours.seconds_trained(queries.told(session, job), now=now)


def _tokens_trained(session: Session, job: Job) -> tuple[int, bool]:
    seen = [metric for metric in queries.metrics(session, job) if metric.total_steps]
    last = seen[-1] if seen else None
    return rules.tokens_trained(
        told=job.trained_tokens,
        step=last.step if last else 0,
        steps=(last.total_steps or 0) if last else 0,
        planned=job.billed_tokens * job.epochs_priced,
        succeeded=job.state == State.SUCCEEDED,
    )


def take_events(session: Session, job: Job, events: Sequence[RemoteEvent]) -> None:
    """Write those of the provider's events that are new, verbatim and numbered on, and what they measure as metrics.

    What it costs depends on how many are told, not on how many the job already has.
    """
    known = queries.known_fingerprints(session, job.team_id, job.id, [event.fingerprint for event in events])
    fresh: dict[str, RemoteEvent] = {}
    for event in events:
        if event.fingerprint not in known:
            fresh.setdefault(event.fingerprint, event)
    measured: dict[int, JobMetric] = {}
    for event in fresh.values():
        _append(
            session, job,
            at=event.created_at, source="provider", level=event.level[:16], type=event.type[:32],
            message=event.message, data=dict(event.data), fingerprint=event.fingerprint,
        )  # fmt: skip
        metric = _metric(job, event)
        if metric is not None:
            measured.setdefault(metric.step, metric)
    steps = queries.known_steps(session, job, measured.keys()) if measured else set()
    session.add_all(metric for step, metric in measured.items() if step not in steps)


def _metric(job: Job, event: RemoteEvent) -> JobMetric | None:
    measured = measures.of_event(event.data) if event.type == "metrics" else None
    if measured is None:
        return None
    return JobMetric(
        team_id=job.team_id, job_id=job.id, step=measured.step, at=event.created_at,
        total_steps=measured.total_steps, others=measured.others, **measured.values,
    )  # fmt: skip


def say(session: Session, job: Job, at: datetime, kind: str, message: str) -> None:
    _append(
        session, job, at=at, source="tuneplane", level="info", type=kind, message=message,
        data={"state": job.state}, fingerprint=None,
    )  # fmt: skip


def _append(session: Session, job: Job, **columns: object) -> None:
    """The job's row is locked by us, so that counting on leaves no gap."""
    job.events_count += 1
    session.add(JobEvent(team_id=job.team_id, job_id=job.id, seq=job.events_count, **columns))
    _hint(session, job)


def _hint(session: Session, job: Job) -> None:
    """Tell those who watch, once a transaction: committing a notification takes a lock of the whole database."""
    hinted = session.info.setdefault("jobs_hinted", set())
    if job.id not in hinted:
        hinted.add(job.id)
        with session.no_autoflush:
            session.execute(select(func.pg_notify("job_events", str(job.id))))
