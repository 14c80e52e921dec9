"""Jobs that are not queued yet: those whose data is still being checked, and those a second person must decide about.

No network here: both are brought further by what others have written down meanwhile.
"""

from collections.abc import Sequence
from uuid import UUID

from service.jobs import admission, approvals, planning, progress
from service.jobs.errors import DatasetNotReady
from service.jobs.models import PREPARE, Job
from service.jobs.rules import State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.errors import TuneplaneError, Unavailable
from service.kit.identity import WORKER, worker_for
from service.kit.threads import each
from service.kit.work import Claim

log = logs.get(__name__)


def prepare(ids: Sequence[UUID]) -> None:
    """Take up those of `ids` whose data is ready, and end those nobody approved in time."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, PREPARE, ids)
    each(claims, prepare_one)


def prepare_one(claimed: Claim) -> None:
    """The same for one that is claimed. Raises StaleClaim."""
    with logs.bound(job=str(claimed.id), team=str(claimed.team)):
        try:
            take_up(claimed)
        except DatasetNotReady:
            look_later(claimed)
        except Unavailable:
            raise  # no fault of the job's: its lease brings it back
        except TuneplaneError as refusal:
            fail(claimed, refusal)


def take_up(claimed: Claim) -> None:
    """Price the job and let it wait for its turn, or for an approval; or end it where that has not come.

    Raises what stands in its way, and then nothing is written or held.
    """
    with unit_of_work(worker_for(claimed.team)) as session:
        job, at = work.recording(session, Job, claimed), clock.now()
        if job.state == State.AWAITING_APPROVAL:
            approvals.expire(session, job, at)
            return
        plan = planning.plan_again(session, job, at)
        admission.take_up(session, job, plan, at)
    log.info("job.taken_up", state=job.state)


def look_later(claimed: Claim) -> None:
    """Its data is still being checked, which is not the job's fault."""
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        work.back_off(job, seconds=work.pause_while_waiting(clock.now() - job.created_at), blameless=True)


def fail(claimed: Claim, refusal: TuneplaneError) -> None:
    """What was submitted cannot be trained after all: no room in the budget, errors in the data, a model gone."""
    log.info("job.not_taken_up", code=refusal.code)
    with unit_of_work(worker_for(claimed.team)) as session:
        job = work.recording(session, Job, claimed)
        job.error_code, job.error_message = refusal.code, refusal.message
        progress.end_unbilled(session, job, State.FAILED, refusal.message, clock.now())
