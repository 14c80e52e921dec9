"""A second person's word, as it is asked for and as it is shown."""

from datetime import datetime

from pydantic import BaseModel, Field

from service.jobs.models import Job
from service.kit import money
from service.kit.bodies import Body


class Decline(Body):
    """Why a job is declined."""

    note: str | None = Field(
        None, min_length=1, max_length=500, description="Told to the team.", examples=["Try the mini model first."]
    )


class ApprovalView(BaseModel):
    """What a job that is dearer than the team's limit waited for, or still waits for."""

    required_above: money.Amount = Field(description="The team's limit `approval_above` when the price was known.")
    expires_at: datetime = Field(description="Nobody's word by then cancels the job.")
    decision: str | None = Field(description="`approved`, `declined` or `expired`; null: not yet.")
    by: str | None = Field(description="Id of the key that decided.")
    at: datetime | None
    note: str | None

    @classmethod
    def of(cls, job: Job) -> "ApprovalView | None":
        """The view of a row; None for a job that needed nobody."""
        if job.approval_above is None or job.approval_expires_at is None:
            return None
        return cls(
            required_above=job.approval_above,
            expires_at=job.approval_expires_at,
            decision=job.approval_decision,
            by=job.approval_by,
            at=job.approval_at,
            note=job.approval_note,
        )
