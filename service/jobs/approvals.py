"""What a second person says to a dear job: approve, decline, or nothing until it expires.

Four eyes: whoever submitted a job never decides about it. Compared are keys, so a person with two keys is two persons.
Everything is decided under the lock of the job's row; its money, held since it was taken up, is given back in the
transaction that says no. Never touches the network.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from service import audit
from service.jobs import admission, progress, queries
from service.jobs.errors import AlreadyDecided, ApprovalExpired, NotAwaitingApproval, OwnRequest
from service.jobs.models import Job
from service.jobs.rules import Decision, State
from service.kit import ids, work
from service.kit.identity import Actor, worker_for

_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"


def approve(session: Session, actor: Actor, shown_id: str, at: datetime) -> Job:
    """Let the job wait for its turn like any other.

    Again changes nothing. Raises UnknownJob, OwnRequest, NotAwaitingApproval, AlreadyDecided or ApprovalExpired.
    """
    job = queries.get(session, actor.team, shown_id, lock=True)
    if _is_still_to_be(job, Decision.APPROVED, actor, at):
        _note(session, actor, job, Decision.APPROVED, at)
        admission.queue(session, job, at, f"Approved by {actor.name}; queued to train {job.base_model}.")
        session.flush()
        session.refresh(job)
    return job


def decline(session: Session, actor: Actor, shown_id: str, at: datetime, *, note: str | None = None) -> Job:
    """Cancel the job and give its money back; `note` tells the requester why.

    Again changes nothing. Raises the same as `approve`.
    """
    job = queries.get(session, actor.team, shown_id, lock=True)
    if _is_still_to_be(job, Decision.DECLINED, actor, at):
        _note(session, actor, job, Decision.DECLINED, at, note=note)
        message = f"Declined by {actor.name}." if note is None else f"Declined by {actor.name}: {note}"
        progress.end_unbilled(session, job, State.CANCELLED, message, at)
        session.flush()
        session.refresh(job)
    return job


def expire(session: Session, job: Job, at: datetime) -> None:
    """Cancel a job nobody has decided about in time and give its money back; before that, let it wait on.

    For the worker that has claimed the row and holds its lock.
    """
    expires_at = _expiry(job)
    if at < expires_at:
        work.wait_until(job, expires_at)
        return
    _note(session, worker_for(job.team_id), job, Decision.EXPIRED, at)
    progress.end_unbilled(session, job, State.CANCELLED, f"Nobody approved it until {expires_at:{_INSTANT}}.", at)


def _is_still_to_be(job: Job, wanted: Decision, actor: Actor, at: datetime) -> bool:
    """Whether the job waits for this decision; not, where it was made before. Raises where it cannot be made."""
    shown = ids.show("job", job.id)
    if job.approval_expires_at is None:
        raise NotAwaitingApproval(job=shown, state=job.state)
    if job.created_by == actor.name:
        raise OwnRequest(job=shown)
    if job.approval_decision == wanted:
        return False
    if job.approval_decision == Decision.EXPIRED:
        raise ApprovalExpired(job=shown, expires_at=f"{job.approval_expires_at:{_INSTANT}}")
    if job.approval_decision is not None:
        raise AlreadyDecided(
            job=shown, decision=job.approval_decision, by=job.approval_by, at=f"{job.approval_at:{_INSTANT}}"
        )
    if job.state != State.AWAITING_APPROVAL:  # cancelled meanwhile
        raise NotAwaitingApproval(job=shown, state=job.state)
    if at >= job.approval_expires_at:  # the worker that ends it is on its way
        raise ApprovalExpired(job=shown, expires_at=f"{job.approval_expires_at:{_INSTANT}}")
    return True


def _note(
    session: Session, actor: Actor, job: Job, decision: Decision, at: datetime, *, note: str | None = None
) -> None:
    """Write down who decided what."""
    job.approval_decision, job.approval_by, job.approval_at, job.approval_note = decision, actor.name, at, note
    job.fence += 1  # a worker may have come to end it just now: whatever it is about to write is stale
    job.lease_until = None
    audit.record(
        session, actor, f"job.{decision}",
        object_type="job", object_id=ids.show("job", job.id), team_id=job.team_id,
        before={"state": job.state}, after={"approval": decision, "requested_by": job.created_by, "note": note},
    )  # fmt: skip


def _expiry(job: Job) -> datetime:
    if job.approval_expires_at is None:
        raise AssertionError(f"job {job.id} waits for nobody")
    return job.approval_expires_at
