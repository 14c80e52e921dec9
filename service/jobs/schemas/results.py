"""What came out of a job: its checkpoints, what its curves advise, and why it failed."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs import advice, failures
from service.jobs.models import Job, JobCheckpoint
from service.jobs.rules import Decision
from service.kit.bodies import Body

_NOT_APPROVED: Final[dict[str, str]] = {
    Decision.DECLINED: "A second person declined the job.",
    Decision.EXPIRED: "Nobody approved the job in time.",
}


class OriginalError(BaseModel):
    """The provider's own words."""

    model_config = ConfigDict(from_attributes=True)
    code: str
    message: str
    param: str | None


class JobError(BaseModel):
    """Why a job failed or was not let through, in codes that are the same for every provider, and what to do."""

    model_config = ConfigDict(from_attributes=True)
    code: str = Field(examples=["training_file_blocked"])
    message: str
    hint: str = Field(description="What to do.")
    retryable: bool = Field(description="Whether the same job may succeed later.")
    original: OriginalError | None = Field(description="What the provider said; null where it never had the job.")

    @classmethod
    def of(cls, job: Job) -> "JobError | None":
        """The view of a row's error, if there is one. A word of a colleague's that was not given is one too."""
        code, message = job.error_code, job.error_message or ""
        if code is None and job.approval_decision in _NOT_APPROVED:
            code = f"approval_{job.approval_decision}"
            message = job.approval_note or _NOT_APPROVED[job.approval_decision]
        if code is None:
            return None
        # Only what was queued ever reaches the provider.
        return cls.model_validate(failures.explain(code, message, job.error_param, by_us=job.queued_at is None))


class CheckpointView(BaseModel):
    """A model as it was after one step; it answers like the final one and can be made a version."""

    object: Literal["job.checkpoint"] = "job.checkpoint"
    step: int
    model: str = Field(description="The provider's id.", examples=["ft:gpt-4o-mini-2024-07-18:acme::Bx1:ckpt-step-40"])
    provider_id: str
    metrics: dict[str, Any] = Field(description="As the provider measured them, by its names.")
    at: datetime

    @classmethod
    def of(cls, checkpoint: JobCheckpoint) -> "CheckpointView":
        """The view of a row."""
        return cls.model_validate(checkpoint, from_attributes=True)


class Checkpoints(BaseModel):
    """A job's checkpoints, by step. Providers keep the last or the best three."""

    object: Literal["list"] = "list"
    data: list[CheckpointView]
    has_more: Literal[False] = False


class Suggested(BaseModel):
    """Hyperparameters to try next; null: as they were."""

    model_config = ConfigDict(from_attributes=True)
    n_epochs: int | None
    learning_rate_multiplier: float | None


class AdviceView(BaseModel):
    """One finding."""

    model_config = ConfigDict(from_attributes=True)
    code: str = Field(
        description=f"One of {', '.join(advice.Code)}. New ones may appear.", examples=[advice.Code.OVERFITTING]
    )
    message: str
    evidence: dict[str, float] = Field(
        description="The numbers it rests on, smoothed; steps are where they were measured.",
        examples=[{"best_step": 60, "best_valid_loss": 1.02, "end_valid_loss": 1.31}],
    )
    suggestion: Suggested | None

    @classmethod
    def of(cls, found: advice.Advice) -> "AdviceView":
        """The view of a finding."""
        return cls.model_validate(found)


class JobAdvice(BaseModel):
    """What a job's curves and data advise, the gravest first."""

    object: Literal["list"] = "list"
    data: list[AdviceView]
    has_more: Literal[False] = False


class VersionRequest(Body):
    """Which of a job's models becomes a version."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"job": "job_01m7w6kt9eepp87nc93bk07v4n", "checkpoint_step": 40}]}
    )
    job: str = Field(description="Id of the job that trained it.")
    checkpoint_step: int | None = Field(
        None, ge=0, le=2**31 - 1, description="Step of one of its checkpoints. Absent: its final model."
    )
