"""What is asked for: a job, and what goes with it."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from service.datasets import SplitRequest
from service.jobs.schemas.methods import Method, Number, Supervised, Whole
from service.kit import money
from service.kit.bodies import Body
from service.provider.shapes import SUBMISSION_KEY

METADATA_PAIRS_MAX: Final = 15  # the provider takes 16, one is ours
INTEGRATIONS_MAX: Final = 5
SUFFIX_LENGTH_MAX: Final = 64
PRIORITY_MAX: Final = 10
_DEPRECATED: Final[dict[str, Any]] = {"deprecated": True}
MetadataKey = Annotated[str, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]


class Register(Body):
    """Under which name a successful job's model becomes a version in the registry."""

    name: str = Field(min_length=1, max_length=63, examples=["support-bot"])
    alias: str | None = Field(
        None,
        min_length=1,
        max_length=63,
        description="Moved to the new version once the provider answers for it; never back from a later version.",
        examples=["staging"],
    )


class Budget(Body):
    """What the job may cost."""

    max_cost: money.Amount = Field(
        gt=0,
        max_digits=20,
        decimal_places=10,
        description="A job that may cost more is refused: `403 max_cost_exceeded`. Reinforcement, which is paid by the "
        "hour, needs it: so much is reserved, and training is cancelled when its hours come to it.",
    )


class WandbRun(Body):
    """Where in Weights & Biases the provider sends its metrics."""

    project: str = Field(min_length=1, max_length=256)
    name: str | None = Field(None, max_length=256)
    entity: str | None = Field(None, max_length=256)
    tags: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=50)


class Integration(Body):
    """A service the provider tells about the job. Its key lies in the provider account's own settings."""

    type: Literal["wandb"]
    wandb: WandbRun


class LegacyHyperparameters(Body):
    """The hyperparameters as they were given before there were methods."""

    n_epochs: Whole = None
    batch_size: Whole = None
    learning_rate_multiplier: Number = None


_EXAMPLES: Final[list[Any]] = [
    {
        "model": "gpt-4o-mini-2024-07-18",
        "dataset": "dset_01m7w6kt9eepp87nc93bk07v4n",
        "method": {"type": "supervised", "hyperparameters": {"n_epochs": 3}},
        "suffix": "support",
        "metadata": {"ticket": "ML-42"},
        "register": {"name": "support-bot"},
    },
    {
        "model": "registry:support-bot@production",
        "dataset": "dset_01m7w6kt9eepp87nc93bk07v4n",
        "method": {"type": "dpo", "hyperparameters": {"beta": "0.1"}},
        "budget": {"max_cost": "25.00"},
    },
    {
        "model": "o4-mini-2025-04-16",
        "dataset": "dset_01m7w6kt9eepp87nc93bk07v4n",
        "validation_dataset": "dset_01m7w74m4ve4esgepz92mvfgnz",
        "method": {
            "type": "reinforcement",
            "grader": {
                "type": "string_check",
                "name": "exact",
                "operation": "eq",
                "input": "{{sample.output_text}}",
                "reference": "{{item.answer}}",
            },
            "hyperparameters": {"reasoning_effort": "medium"},
        },
        "budget": {"max_cost": "200.00"},
    },
]


class JobRequest(Body):
    """A fine-tuning job to be."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})
    model: str = Field(
        min_length=1,
        max_length=256,
        description="A base model of `GET /v1/base-models`, or what training goes on from: a tuned model of yours by "
        "the provider's id (`ft:…`), or from the registry: `registry:name@alias` (`@production` if absent), or a "
        "version's number, `registry:name@3`.",
    )
    dataset: str = Field(description="Id of the dataset to train on. It may still be being checked.")
    validation_dataset: str | None = Field(
        None, description="Id of a dataset to measure on while training; free of charge."
    )
    split: SplitRequest | None = Field(
        None, description="Instead of `validation_dataset`: measure on a part of `dataset`, train on the rest."
    )
    method: Method = Supervised()
    suffix: str | None = Field(
        None,
        min_length=1,
        max_length=SUFFIX_LENGTH_MAX,
        description="Part of the tuned model's name: a-z, 0-9 and '-'. Anything else becomes '-', with a warning.",
    )
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="For repeatable training; absent: one is chosen.")
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict, max_length=METADATA_PAIRS_MAX, description="Your own labels, also given to the provider."
    )
    integrations: list[Integration] = Field(default_factory=list, max_length=INTEGRATIONS_MAX)
    priority: int = Field(
        0,
        ge=-PRIORITY_MAX,
        le=PRIORITY_MAX,
        description="Among your own team's jobs: each point is worth an hour of waiting.",
    )
    register_as: Register | None = Field(
        None, alias="register", description="Add the tuned model to the registry on success."
    )
    budget: Budget | None = None
    classify: bool = Field(default=False, description="Evaluate the tuned model as a classifier.")

    # As they were named at the provider in 2023 and before; each brings a warning.
    n_epochs: Whole = Field(None, json_schema_extra=_DEPRECATED)
    batch_size: Whole = Field(None, json_schema_extra=_DEPRECATED)
    learning_rate_multiplier: Number = Field(None, json_schema_extra=_DEPRECATED)
    hyperparameters: LegacyHyperparameters | None = Field(None, json_schema_extra=_DEPRECATED)
    compute_classification_metrics: bool | None = Field(None, json_schema_extra=_DEPRECATED)

    @field_validator("metadata")
    @classmethod
    def _ours_is_ours(cls, value: dict[str, str]) -> dict[str, str]:
        if SUBMISSION_KEY in value:
            raise ValueError(f"the key {SUBMISSION_KEY!r} is reserved")
        return value

    @model_validator(mode="after")
    def _measures_on_one(self) -> Self:
        if self.split is not None and self.validation_dataset is not None:
            raise ValueError("give either validation_dataset or split")
        return self
