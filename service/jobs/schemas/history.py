"""What happened to a job and what was measured."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs.models import JobEvent, JobMetric


class JobEventView(BaseModel):
    """One line of a job's history."""

    object: Literal["job.event"] = "job.event"
    seq: int = Field(description="1, 2, 3 … without gaps; the cursor of this list.")
    at: datetime
    source: Literal["provider", "tuneplane"]
    level: str
    type: str = Field(description="message, metrics, state, or whatever the provider names it.")
    message: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> "JobEventView":
        """The view of a row."""
        return cls.model_validate(event, from_attributes=True)


class JobEventPage(BaseModel):
    """Events oldest first. Ask on with `after=last_seq`; the list of a running job grows."""

    object: Literal["list"] = "list"
    data: list[JobEventView]
    has_more: bool
    last_seq: int = Field(description="Pass it as `after` to read on; equals the given `after` when nothing is new.")


class JobMetricView(BaseModel):
    """Training at one step; null where the provider did not measure.

    Steps that only its table of results has are added after the end, with the time of the next one that was told.
    """

    model_config = ConfigDict(from_attributes=True)
    step: int
    total_steps: int | None
    at: datetime
    train_loss: float | None
    train_mean_token_accuracy: float | None
    valid_loss: float | None
    valid_mean_token_accuracy: float | None
    full_valid_loss: float | None
    full_valid_mean_token_accuracy: float | None
    train_mean_reward: float | None
    full_valid_mean_reward: float | None
    full_valid_mean_parse_error: float | None
    mean_unresponsive_rewards: float | None
    reasoning_tokens_mean: float | None
    train_preference_accuracy: float | None
    valid_preference_accuracy: float | None
    others: dict[str, float] = Field(description="Whatever else the provider measured, by its own dotted names.")

    @classmethod
    def of(cls, metric: JobMetric) -> "JobMetricView":
        """The view of a row."""
        return cls.model_validate(metric)


class JobMetrics(BaseModel):
    """The curve of a job, by step."""

    object: Literal["list"] = "list"
    data: list[JobMetricView]
    has_more: Literal[False] = False
