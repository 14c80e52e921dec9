"""What is asked for: a job, its method and its hyperparameters."""

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, field_validator

from service.jobs.rules import EPOCHS_MAX
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
