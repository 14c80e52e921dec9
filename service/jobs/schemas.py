"""What the API takes and gives for jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.jobs.models import Job, JobEvent, JobMetric
from service.jobs.rules import EPOCHS_MAX, State
from service.kit import ids, money
from service.kit.bodies import Body
from service.provider.shapes import SUBMISSION_KEY

METADATA_PAIRS_MAX: Final = 15  # the provider takes 16, one is ours
Auto = Literal["auto"]


class Hyperparameters(Body):
    """How to train. What is absent is chosen by us (epochs, by the size of the data) or by the provider."""

    n_epochs: Annotated[int, Field(ge=1, le=EPOCHS_MAX)] | Auto | None = Field(
        None,
        description="Passes over the data. Absent: our default for this dataset. `auto`: the provider chooses, and "
        "money is reserved for its maximum.",
    )  # fmt: skip
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto | None = Field(None, description="Examples per step.")
    learning_rate_multiplier: Annotated[Decimal, Field(ge=Decimal("0.0001"), le=100)] | Auto | None = Field(
        None, description="Factor on the provider's own learning rate."
    )


class Method(Body):
    """The training method and its hyperparameters."""

    type: Literal["supervised"] = "supervised"
    hyperparameters: Hyperparameters = Hyperparameters()


class Register(Body):
    """Under which name a successful job's model becomes a version in the registry."""

    name: str = Field(min_length=1, max_length=63, examples=["support-bot"])


class JobRequest(Body):
    """A fine-tuning job to be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "gpt-4o-mini-2024-07-18",
                    "dataset": "dset_01m7w6kt9eepp87nc93bk07v4n",
                    "method": {"type": "supervised", "hyperparameters": {"n_epochs": 3}},
                    "suffix": "support",
                    "metadata": {"ticket": "ML-42"},
                    "register": {"name": "support-bot"},
                }
            ]
        },
    )
    model: str = Field(max_length=128, description="A base model of `GET /v1/base-models`.")
    dataset: str = Field(description="Id of the dataset to train on.")
    validation_dataset: str | None = Field(
        None, description="Id of a dataset to measure on while training; free of charge."
    )
    method: Method = Method()
    suffix: str | None = Field(None, min_length=1, max_length=64, description="Part of the tuned model's name.")
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="For repeatable training; absent: one is chosen.")
    metadata: dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]] = Field(
        default_factory=dict, max_length=METADATA_PAIRS_MAX, description="Your own labels, also given to the provider."
    )
    register_as: Register | None = Field(
        None, alias="register", description="Add the tuned model to the registry on success."
    )

    @field_validator("metadata")
    @classmethod
    def _ours_is_ours(cls, value: dict[str, str]) -> dict[str, str]:
        if SUBMISSION_KEY in value:
            raise ValueError(f"the key {SUBMISSION_KEY!r} is reserved")
        return value


class Available(BaseModel):
    """What the job would cost."""

    status: Literal["available"] = "available"
    tokens_per_epoch: int = Field(description="Billed tokens of one pass over the data.")
    epochs: int = Field(description="Epochs the price is for.")
    billed_tokens: int = Field(description="Tokens per epoch times epochs.")
    price: money.Amount = Field(description="Exactly what would be reserved.")
    price_per_million_tokens: money.Amount
    currency: str
    price_id: str = Field(description="The price row this rests on.")
    fits_budget: bool
    budget_left: money.Amount
    assumptions: list[str] = Field(description="What was assumed to reckon it.")


class Unavailable(BaseModel):
    """Why there is no price. Never a zero for something unknown."""

    status: Literal["unavailable"] = "unavailable"
    reason: str = Field(description="Machine code of what is missing.")
    message: str


Estimate = Annotated[Available | Unavailable, Field(discriminator="status")]


class JobError(BaseModel):
    """Why a job failed, in the provider's words."""

    code: str
    message: str


class JobView(BaseModel):
    """A fine-tuning job."""

    object: Literal["job"] = "job"
    id: str
    state: str = Field(
        description=f"One of {', '.join(State)}. New ones may appear; only the last three are final.",
        examples=[State.RUNNING],
    )
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
    fine_tuned_model: str | None
    trained_tokens: int | None
    provider: str
    provider_job_id: str | None
    error: JobError | None
    events: int = Field(description="Number of events so far.")
    created_by: str
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    estimated_finish: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobView":
        """The view of a row."""
        return cls(
            id=ids.show("job", job.id),
            state=job.state,
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
            fine_tuned_model=job.fine_tuned_model,
            trained_tokens=job.trained_tokens,
            provider=job.provider,
            provider_job_id=job.provider_job_id,
            error=JobError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
            events=job.events_count,
            created_by=job.created_by,
            created_at=job.created_at,
            submitted_at=job.submitted_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            estimated_finish=job.estimated_finish,
        )


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
    """Training at one step; null where the provider did not measure."""

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

    @classmethod
    def of(cls, metric: JobMetric) -> "JobMetricView":
        """The view of a row."""
        return cls.model_validate(metric)


class JobMetrics(BaseModel):
    """The curve of a job, by step."""

    object: Literal["list"] = "list"
    data: list[JobMetricView]
    has_more: Literal[False] = False
