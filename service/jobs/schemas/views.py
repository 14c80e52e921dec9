"""A job as shown."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from service.jobs.models import Job
from service.jobs.rules import Origin, State, Wish
from service.jobs.schemas.approvals import ApprovalView
from service.jobs.schemas.estimates import JobWarning
from service.jobs.schemas.methods import Method, method_of
from service.jobs.schemas.requests import Budget, Integration, Register
from service.jobs.schemas.results import JobError
from service.jobs.schemas.waiting import Waiting
from service.kit import ids, money


class OriginView(BaseModel):
    """The job that this one repeats."""

    kind: Origin
    job: str


class EstimateVsBilled(BaseModel):
    """What was expected of a job's cost, what was held for it and what it came to."""

    estimated_low: money.Amount | None
    expected: money.Amount | None
    reserved: money.Amount
    billed: money.Amount
    ratio: money.Amount | None = Field(description="Billed by expected; null where nothing was expected.")

    @classmethod
    def of(cls, job: Job) -> "EstimateVsBilled | None":
        """The comparison, for a job that was priced and has ended."""
        if job.cost is None or job.price_id is None:
            return None
        expected = job.estimated_expected
        return cls(
            estimated_low=job.estimated_low,
            expected=expected,
            reserved=job.reserved,
            billed=job.cost,
            ratio=job.cost / expected if expected else None,
        )


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
    model: str = Field(description="The base model.")
    start_from: str | None = Field(description="The tuned model that training goes on from.")
    dataset: str
    validation_dataset: str | None
    method: Method
    suffix: str | None
    seed: int
    metadata: dict[str, str]
    integrations: list[Integration]
    priority: int
    classify: bool
    budget: Budget | None
    register_as: Register | None = Field(serialization_alias="register")
    billed_tokens: int = Field(description="Planned: tokens per epoch times epochs.")
    reserved: money.Amount = Field(description="Held from the budget until the job ends.")
    cost: money.Amount | None = Field(description="What it was charged, once it ended.")
    estimate_vs_billed: EstimateVsBilled | None = Field(description="How good the estimate was, once it ended.")
    currency: str
    warnings: list[JobWarning]
    approval: ApprovalView | None = Field(description="Null: it needed nobody's.")
    fine_tuned_model: str | None
    trained_tokens: int | None
    trained_seconds: int | None = Field(description="Of reinforcement, which is paid by the hour; our reckoning.")
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
            start_from=job.start_from,
            dataset=ids.show("dset", job.dataset_id),
            validation_dataset=ids.show("dset", job.validation_dataset_id) if job.validation_dataset_id else None,
            method=method_of(job),
            suffix=job.suffix,
            seed=job.seed,
            metadata=job.labels,
            integrations=[Integration.model_validate(one) for one in job.integrations],
            priority=job.priority,
            classify=job.classify,
            budget=Budget(max_cost=job.max_cost) if job.max_cost is not None else None,
            register_as=Register(name=job.register_name, alias=job.register_alias) if job.register_name else None,
            billed_tokens=job.billed_tokens * job.epochs_priced,
            reserved=job.reserved,
            cost=job.cost,
            estimate_vs_billed=EstimateVsBilled.of(job),
            warnings=[JobWarning.model_validate(one) for one in job.warnings],
            currency=money.CURRENCY,
            approval=ApprovalView.of(job),
            fine_tuned_model=job.fine_tuned_model,
            trained_tokens=job.trained_tokens,
            trained_seconds=job.trained_seconds,
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
