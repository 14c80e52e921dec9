"""The janitor: what slipped through at the provider is adopted, cancelled and paid for, or told to a person.

docs/protocol.md, "Janitor". It looks at each account's jobs of the last two days.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert

from service import catalog, connections, costs, tenants
from service.jobs import progress, rules
from service.jobs.flows.outcomes import adopt
from service.jobs.hours import PAID_BY_HOUR, Told, seconds_trained
from service.jobs.measures import of_event
from service.jobs.models import Job, StrayJob
from service.jobs.rules import State
from service.kit import clock, logs
from service.kit.db import unit_of_work
from service.kit.errors import Unavailable
from service.kit.identity import WORKER, worker_for
from service.kit.locks import try_lock
from service.kit.sealing import SealingError
from service.kit.threads import each
from service.provider.errors import ProviderError
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteJob

log = logs.get(__name__)

_WINDOW: Final = timedelta(hours=48)  # longer than the janitor is ever away


@dataclass(frozen=True, slots=True)
class _Owner:
    """The row that a provider's job carries the key of."""

    job: UUID
    team: UUID
    state: State
    connection: UUID
    provider_job_id: str | None


def sweep_jobs() -> None:
    """Compare each account's recent jobs with our rows."""
    each_account(_sweep_account)


def each_account(sweep: Callable[[UUID, Credentials], None]) -> None:
    """Do it to every account in use. One that does not answer, or whose key does not open, is skipped."""
    with unit_of_work(WORKER) as session:
        accounts = connections.in_use(session)
    for connection_id in accounts:
        try:
            with unit_of_work(WORKER) as session:
                credentials = connections.credentials(session, connection_id)
            sweep(connection_id, credentials)
        except (ProviderError, SealingError, Unavailable) as error:
            log.warning("janitor.account_skipped", connection=str(connection_id), reason=str(error))


def _sweep_account(connection_id: UUID, credentials: Credentials) -> None:
    since = clock.now() - _WINDOW
    recent = [one for one in gateway.recent_jobs(credentials, created_since=since) if rules.is_submit_key(one.key)]
    owners = _owners(one.key for one in recent)

    def settle(of_one_key: Sequence[RemoteJob]) -> None:
        """One after the other: the first may be adopted, and then the second is one too many."""
        for remote in of_one_key:
            owner = owners.get(remote.key or "")
            try:
                if owner is None:
                    _tell_unknown(connection_id, remote)
                elif owner.provider_job_id != remote.id or owner.connection != connection_id:
                    _settle(connection_id, credentials, owner, remote)
            except (ProviderError, Unavailable) as error:  # what the provider will not end keeps it from no other
                log.warning("janitor.job_skipped", provider_job_id=remote.id, reason=str(error))

    by_key: dict[str, list[RemoteJob]] = {}
    for remote in recent:
        by_key.setdefault(remote.key or "", []).append(remote)
    each(list(by_key.values()), settle)


def _owners(keys: Iterable[str | None]) -> dict[str, _Owner]:
    columns = (Job.submit_key, Job.id, Job.team_id, Job.state, Job.connection_id, Job.provider_job_id)
    with unit_of_work(WORKER) as session:
        rows = session.execute(select(*columns).where(Job.submit_key.in_(set(keys)))).all()
    return {
        row.submit_key: _Owner(row.id, row.team_id, State(row.state), row.connection_id, row.provider_job_id)
        for row in rows
    }


def _tell_unknown(connection_id: UUID, remote: RemoteJob) -> None:
    """Our kind of key, but no row: another environment's, or made after the moment a backup was restored to."""
    if _note(connection_id, remote, "unknown", None):
        log.error("janitor.unknown_job", provider_job_id=remote.id, status=remote.status)


def _settle(connection_id: UUID, credentials: Credentials, owner: _Owner, remote: RemoteJob) -> None:
    """Under the job's lock, taken: next round. The row is read again, because the list is older than the lock."""
    with try_lock(f"job:{owner.job}") as lock:
        if lock is None:
            return
        if owner.connection == connection_id and _adopt(owner, remote):
            _note(connection_id, remote, "adopted", owner.job)
            log.error("janitor.adopted", job=str(owner.job), provider_job_id=remote.id)
            return
        if is_one_too_many(owner.job, remote):
            _end_duplicate(connection_id, credentials, owner, remote)


def is_one_too_many(job_id: UUID, remote: RemoteJob) -> bool:
    """Whether the row knows better. While it is unresolved this may be its one job, seen through another connection."""
    with unit_of_work(WORKER) as session:
        row = session.execute(select(Job.provider_job_id, Job.state).where(Job.id == job_id)).one()
    if row.provider_job_id is None:
        return State(row.state) not in rules.UNRESOLVED
    return bool(row.provider_job_id != remote.id)


def _adopt(owner: _Owner, remote: RemoteJob) -> bool:
    with unit_of_work(worker_for(owner.team)) as session:
        job = session.get_one(Job, owner.job, with_for_update=True)
        if job.provider_job_id is not None or State(job.state) not in rules.UNRESOLVED:
            return False
        job.fence += 1  # whoever has claimed it writes nothing more
        job.attention = job.attention_since = None
        adopt(session, job, remote)
        return True


def _end_duplicate(connection_id: UUID, credentials: Credentials, owner: _Owner, remote: RemoteJob) -> None:
    """A second job for one of ours is cancelled, told, and paid for where it has cost something."""
    if _note(connection_id, remote, "duplicate", owner.job):
        log.error("janitor.duplicate", job=str(owner.job), provider_job_id=remote.id, status=remote.status)
    if not remote.is_over:
        remote = gateway.cancel_job(credentials, remote.id)
    if remote.is_over and _is_open(connection_id, remote):
        quantity, accrued = _trained(credentials, owner, remote)
        _charge(connection_id, owner, remote, quantity, accrued=accrued)


def _trained(credentials: Credentials, owner: _Owner, remote: RemoteJob) -> tuple[int, bool]:
    """Tokens, or seconds where training is paid by the hour, and whether they are our reckoning."""
    events = gateway.new_events(credentials, remote.id)
    steps = [measured for event in events if (measured := of_event(event.data)) is not None]
    step, total = max(((one.step, one.total_steps) for one in steps if one.total_steps), default=(0, 0))
    with unit_of_work(worker_for(owner.team)) as session:
        job = session.get_one(Job, owner.job)
        if job.method in PAID_BY_HOUR:
            return seconds_trained(Told(one.created_at, one.type, one.message) for one in events), True
        return rules.tokens_trained(
            told=remote.trained_tokens,
            step=step,
            steps=total,
            planned=job.billed_tokens * job.epochs_priced,
            succeeded=remote.status == State.SUCCEEDED,
        )


def _charge(connection_id: UUID, owner: _Owner, remote: RemoteJob, quantity: int, *, accrued: bool) -> None:
    """Two jobs at the provider are two bills; what the second comes to was never held and is booked as an overrun."""
    at = clock.now()
    with unit_of_work(worker_for(owner.team)) as session:
        job = session.get_one(Job, owner.job)
        if quantity:
            costs.charge_training(
                session,
                tenants.team(session, owner.team),
                job_id=owner.job,
                connection_id=connection_id,
                provider=job.provider,
                provider_job_id=remote.id,
                base_model=job.base_model,
                model=remote.fine_tuned_model,
                price=catalog.price_by_id(session, progress.frozen(job.price_id)),
                quantity=quantity,
                at=at,
                accrued=accrued,
                beside=True,
            )
    with unit_of_work(WORKER) as session:
        session.execute(update(StrayJob).where(*_is(connection_id, remote)).values(settled_at=at))


def _note(connection_id: UUID, remote: RemoteJob, kind: str, job_id: UUID | None) -> bool:
    """Remember the stray. True when it is new, so that it is told once."""
    settled = clock.now() if kind == "adopted" else None
    row = insert(StrayJob).values(
        connection_id=connection_id, provider_job_id=remote.id, kind=kind, job_id=job_id, settled_at=settled
    )
    with unit_of_work(WORKER) as session:
        made = session.scalar(row.on_conflict_do_nothing().returning(StrayJob.provider_job_id))
    return made is not None


def _is_open(connection_id: UUID, remote: RemoteJob) -> bool:
    with unit_of_work(WORKER) as session:
        found = session.scalar(
            select(StrayJob.provider_job_id).where(*_is(connection_id, remote), StrayJob.settled_at.is_(None))
        )
    return found is not None


def _is(connection_id: UUID, remote: RemoteJob) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return StrayJob.connection_id == connection_id, StrayJob.provider_job_id == remote.id
