"""Workers taken by the hand: generators of their flow's own steps, so that anything may happen between two of them.

It dies by being left alone. What it asks the provider for is answered by whoever leads it.
"""

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from service import connections, jobs
from service.jobs.flows import following, outcomes, preparing, searching, sights, submission
from service.jobs.flows.files import UploadUnderWay
from service.jobs.flows.orders import look
from service.jobs.rules import State
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.work import Claim, Kind, StaleClaim
from service.provider.errors import AccountRefused, NotThere, ProviderError, RateLimited, Refused, TooManyJobs, Unknown
from service.provider.shapes import RemoteEvent, RemoteJob

Move = Callable[[st.DataObject], None]
Steps = Generator[str, Any, None]  # yields what it asks the provider for, or "" where it only pauses

STATUSES: Final = ("validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled", "pondering")
REFUSALS: Final = (
    Refused("Invalid file format.", code="invalid_training_file", status=400),
    AccountRefused("Incorrect API key.", code="invalid_api_key", status=401),
    RateLimited("Slow down.", retry_after_seconds=1),
    TooManyJobs("You have too many jobs."),
)
UNKNOWN: Final = Unknown("The connection broke.")
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
numbers = itertools.count(1)
_locked: Final[set[UUID]] = set()


# -------------------------------------------------------------------------------------------------------- the workers
def preparing_it(claimed: Claim) -> Steps:
    yield ""
    preparing.prepare_one(claimed)


def submitting_it(claimed: Claim) -> Steps:
    order = look(claimed)
    if order.job.state in (State.QUEUED, State.UPLOADING):
        yield ""
        submission.begin_upload(claimed)
        answer = yield "upload"
        if isinstance(answer, Exception):
            submission.record_no_upload(claimed, answer)
            return
        submission.record_upload(claimed, answer, None)
    yield from resolving_it(claimed)


def resolving_it(claimed: Claim) -> Steps:
    yield ""
    if claimed.id in _locked:
        return
    _locked.add(claimed.id)  # the job's lock, which lives as long as its worker
    try:
        yield from creating_it(claimed)
    finally:
        _locked.remove(claimed.id)


def creating_it(claimed: Claim) -> Steps:
    order = submission.reread(claimed)
    if order is None:
        return
    if order.job.intent_at is not None:
        found = yield "search"
        if found:
            searching.record_found(order, [remote_job(f"ftjob-{next(numbers)}", key=key) for key in found])
            return
        if not searching.record_empty_search(order, clock.now() + timedelta(hours=next(numbers))):
            return
    yield ""
    if not submission.intent(claimed):
        return
    answer = yield "create"
    if answer == "here it is":
        outcomes.record(order, remote_job(f"ftjob-{next(numbers)}"))
    elif isinstance(answer, Unknown):
        outcomes.record_unknown(order, answer)
    else:
        outcomes.record_refusal(order, answer)


def following_it(claimed: Claim) -> Steps:
    with unit_of_work(WORKER) as session:
        sight = sights.claimed(session, [claimed])[claimed.id]
        account = connections.credentials(session, sight.account)
    if sight.provider_job_id is None:
        yield from resolving_it(claimed)
        return
    told = yield "ask"
    if isinstance(told, ProviderError):
        following.look_later(claimed, told)
        return
    status, named, refusal = told
    remote = remote_job(sight.provider_job_id, status=status, named=named)
    events = [event(1), event(2), event(1)]
    look = following.Look(claimed, sight, account, None)
    following.record_progress(look, following.Answer(remote, events, refusal))


def remote_job(
    id_: str, *, status: str = "validating_files", named: bool = True, key: str | None = "ours"
) -> RemoteJob:
    return RemoteJob(
        id=id_, status=status, model="m", created_at=clock.now(), training_file="file-1", seed=1, key=key,
        fine_tuned_model=f"ft:m:acme::{id_}" if status == "succeeded" and named else None,
        trained_tokens=120 if named else None, epochs=1, finished_at=None, estimated_finish=None,
        error_code=None, error_message=None, result_files=(),
    )  # fmt: skip


def event(step: int) -> RemoteEvent:
    """Told again and again, as providers do; new to a job once."""
    data = {"step": step + 1, "total_steps": 9, "train_loss": 1.0}
    return RemoteEvent(f"ftevent-{step}", _LONG_AGO, "info", "metrics", f"Step {step + 1}/9", data)


WORK: Final[dict[Kind, Callable[[Claim], Steps]]] = {
    jobs.PREPARE: preparing_it,
    jobs.SUBMIT: submitting_it,
    jobs.FOLLOW: following_it,
}
GOOD: Final[dict[str, Any]] = {
    "": None,
    "upload": "file-1",
    "search": [],
    "create": "here it is",
    "ask": ("running", True, None),
}
ANSWERS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "": st.none(),
    "upload": st.just("file-1") | st.sampled_from([*REFUSALS, UNKNOWN, UploadUnderWay()]),
    "search": st.lists(st.sampled_from(["ours", None]), max_size=2),
    "create": st.just("here it is") | st.sampled_from([*REFUSALS, UNKNOWN]),
    "ask": st.tuples(st.sampled_from(STATUSES), st.booleans(), st.none() | st.just("Not now."))
    | st.sampled_from([NotThere("No such job.", status=404), UNKNOWN]),
}


@dataclass
class Worker:
    """One that has claimed a job, and what it is waiting to be told."""

    steps: Steps
    asks: str

    @classmethod
    def begin(cls, steps: Steps) -> "Worker | None":
        worker = cls(steps, "")
        return worker if worker.goes_on(None) else None

    def goes_on(self, answer: Any) -> bool:
        """Take the next step. False when there is none: it is done, or has noticed that the job is not its any more."""
        try:
            self.asks = self.steps.send(answer)
        except (StopIteration, StaleClaim):
            return False
        return True
