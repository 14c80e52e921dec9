"""What users ask of a job that is there. Never commits, never touches the network."""

from datetime import datetime

from sqlalchemy.orm import Session

from service import audit, connections, quotas, tenants
from service.jobs import admission, planning, progress, queries, rules
from service.jobs.errors import ConnectionNotYours, JobIsOver, NotMovable
from service.jobs.models import Job
from service.jobs.rules import State
from service.kit import ids, money, work
from service.kit.identity import Actor


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


def move(session: Session, actor: Actor, shown_id: str, connection: str, at: datetime) -> Job:
    """Let the job go to another provider account, where it waits for its turn anew; `connection` is its shown id.

    Only as long as the provider surely has nothing of it. At another provider it has that one's price of now, which is
    held instead. Again changes nothing. Raises UnknownJob, ConnectionNotFound, ConnectionNotYours, NotMovable, what a
    job there would be refused for, BudgetExceeded and TrainingTokensReached; then nothing is moved.
    """
    job = queries.get(session, actor.team, shown_id, lock=True)
    team = tenants.team(session, job.team_id)
    target = _allowed(session, actor, team, connection)
    if target.id == job.connection_id:
        return job
    if job.state not in rules.BEFORE_PROVIDER or job.intent_at is not None or job.provider_job_id is not None:
        raise NotMovable(job=shown_id, why=f"it is {job.state}, so the provider may have it")
    if job.start_from is not None:
        raise NotMovable(job=shown_id, why=f"{job.start_from}, which it goes on from, belongs to the account it is at")
    before = {"connection": ids.show("conn", job.connection_id), "reserved": money.text(job.reserved)}
    is_priced_anew = job.price_id is not None and target.provider != job.provider
    _let_go(job)
    job.connection_id, job.provider = target.id, target.provider
    recipe = planning.recipe_of(session, job, at)  # whether it can be trained there
    plan = planning.priced(session, recipe, at) if is_priced_anew else None
    if plan is not None:
        _price_anew(session, job, shown_id, plan)
    price = f" There {money.text(job.reserved)} {money.CURRENCY} are held for it." if is_priced_anew else ""
    progress.say(session, job, at, "message", f"Moved to the connection {target.name}.{price}")
    if job.state in rules.TO_SUBMIT:
        admission.queue(session, job, at, f"Queued again, for the connection {target.name}.")
    audit.record(
        session, actor, "job.moved", object_type="job", object_id=shown_id, team_id=job.team_id, before=before,
        after={"connection": connection, "reserved": money.text(job.reserved)},
    )  # fmt: skip
    session.flush()
    if plan is not None:
        tokens_max = quotas.limits(session, team.id).training_tokens_per_month
        quotas.change(session, team, job.id, plan.cost, at=at, tokens=plan.tokens, tokens_max=tokens_max)
    session.refresh(job)
    return job


def _allowed(session: Session, actor: Actor, team: tenants.TeamFacts, connection: str) -> connections.ConnectionFacts:
    target = connections.find(session, connection)
    default = connections.default(session)
    offered = {team.connection_id, default.id if default else None}
    if actor.role != tenants.Role.OPERATOR and target.id not in offered:
        raise ConnectionNotYours(pointer="#/connection")
    return target


def _let_go(job: Job) -> None:
    """Whatever a worker is about to write is stale from here on, and its copies lie at the other account."""
    job.fence += 1
    job.lease_until = job.hinted_at = None
    job.attempts = 0
    job.attention = job.attention_since = None
    job.provider_file_id = job.provider_validation_file_id = None


def _price_anew(session: Session, job: Job, shown_id: str, plan: planning.Plan) -> None:
    """Freeze the price of the new provider. Nobody may evade an approval by it."""
    asks = quotas.limits(session, job.team_id).asks_approval(plan.cost)
    if asks and plan.cost > job.reserved and job.state != State.AWAITING_APPROVAL:
        raise NotMovable(
            job=shown_id, why=f"at {money.text(plan.cost)} it would need an approval; submit it there anew"
        )
    admission.freeze(job, plan)
