"""What a job waits for that is not under way yet."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from service.jobs.models import Job
from service.jobs.rules import State

Reason = Literal["dataset", "approval", "turn", "team_limit", "account_paused"]


class Waiting(BaseModel):
    """What the job waits for. A list tells the reason by the job's state only; reading the job tells all of it."""

    reason: Reason = Field(
        description="`turn`: slots at the provider are shared among teams. `team_limit`: the team has as many jobs "
        "under way as it may have. `account_paused`: nothing is sent to the provider account for now."
    )
    message: str
    position: int | None = Field(
        None,
        description="Which turn is the job's, 1 being the next. An estimate from how many jobs of which teams wait "
        "now, their weights and the slots they hold: later jobs of teams that hold less may still come first.",
    )
    of: int | None = Field(None, description="Jobs that wait for the same base model at the same account.")
    eta: datetime | None = Field(
        None,
        description="When that turn is expected, if jobs take as long as the last 50 that ended. "
        "Null while nothing is known: no job has ended, or no number of slots is known.",
    )

    @classmethod
    def by_state(cls, job: Job) -> Self | None:
        """As far as the row tells."""
        if job.state == State.WAITING_FOR_DATASET:
            return cls(reason="dataset", message="A dataset of this job is not ready yet.")
        if job.state == State.AWAITING_APPROVAL:
            return cls(reason="approval", message="A second person has to approve what this job costs.")
        if job.state == State.QUEUED and job.slot_at is None:
            return cls(reason="turn", message=f"Waits for its turn to train {job.base_model}.")
        return None
