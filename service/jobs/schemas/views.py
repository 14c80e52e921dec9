"""A job as shown."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from service.jobs.models import Job
from service.jobs.rules import Origin, State, Wish
from service.jobs.schemas.approvals import ApprovalView
from service.jobs.schemas.requests import Hyperparameters, Method, Register
from service.jobs.schemas.results import JobError
from service.jobs.schemas.waiting import Waiting
from service.kit import ids, money


class OriginView(BaseModel):
    """The job that this one repeats."""

    kind: Origin
    job: str


class JobView(BaseModel):
    """A fine-tuning job."""

    object: Literal["job"] = "job"
    id: str
    state: str = Field(
        description=f"One of {', '.join(State)}. New ones may appear; only the last three are final.",
        examples=[State.RUNNING],
    )
    waiting: Waiting | None = Field(description="What it waits for, if it is not under way yet.")
    wish: Literal["pause", "resume"] | None = Field(description="Asked for, and not yet done by the provider.")
    attention: str | None = Field(description="Why a person has to look at it, if so. Its money stays reserved.")
    model: str
    dataset: str
    validation_dataset: str | None
    method: Method
    suffix: str | None
    seed: int
    metadata: dict[str, str]
    register_as: Register | None = Field(serialization_alias="register")
    billed_tokens: int = Field(description="Planned: tokens per epoch times epochs.")
    reserved: money.Amount = Field(description="Held from the budget until the job ends.")
    cost: money.Amount | None = Field(description="What it was charged, once it ended.")
    currency: str
    approval: ApprovalView | None = Field(description="Null: it needed nobody's.")
    fine_tuned_model: str | None
    trained_tokens: int | None
    provider: str
    provider_job_id: str | None
    error: JobError | None
    events: int = Field(description="Number of events so far.")
    origin: OriginView | None = Field(description="Null for a job that was submitted as such.")
    created_by: str
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    collected_at: datetime | None = Field(
        description="When checkpoints and the provider's table of steps were fetched: soon after a job's end at it."
    )
    estimated_finish: datetime | None

    @classmethod
    def of(cls, job: Job, waiting: Waiting | None = None) -> "JobView":
        """The view of a row, and what it waits for beyond what the row tells."""
        return cls(
            id=ids.show("job", job.id),
            state=job.state,
            waiting=waiting or Waiting.by_state(job),
            wish=Wish(job.wish).value if job.wish else None,
            attention=job.attention,
            model=job.base_model,
            dataset=ids.show("dset", job.dataset_id),
            validation_dataset=ids.show("dset", job.validation_dataset_id) if job.validation_dataset_id else None,
            method=Method(
                hyperparameters=Hyperparameters(
                    n_epochs=job.epochs or "auto",
                    batch_size=job.batch_size or "auto",
                    learning_rate_multiplier=job.learning_rate_multiplier or "auto",
                )
            ),
            suffix=job.suffix,
            seed=job.seed,
            metadata=job.labels,
            register_as=Register(name=job.register_name) if job.register_name else None,
            billed_tokens=job.billed_tokens * job.epochs_priced,
            reserved=job.reserved,
            cost=job.cost,
            currency=money.CURRENCY,
            approval=ApprovalView.of(job),
            fine_tuned_model=job.fine_tuned_model,
            trained_tokens=job.trained_tokens,
            provider=job.provider,
            provider_job_id=job.provider_job_id,
            error=JobError.of(job),
            events=job.events_count,
            origin=OriginView(kind=job.origin, job=ids.show("job", job.origin_id))
            if job.origin and job.origin_id
            else None,
            created_by=job.created_by,
            created_at=job.created_at,
            submitted_at=job.submitted_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            collected_at=job.collected_at,
            estimated_finish=job.estimated_finish,
        )
