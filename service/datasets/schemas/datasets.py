"""What datasets promise outside."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.datasets.rules.splits import SEED_MAX
from service.datasets.rules.states import State
from service.datasets.schemas.recipes import Recipe
from service.kit.bodies import Body


class Progress(BaseModel):
    """How far the reading of a file has come. It begins again where a worker died."""

    bytes: int
    lines: int
    seconds_left: int | None = Field(description="At the speed so far; null until something was read.")


class DatasetView(BaseModel):
    """A training file and whether it may be trained on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "dataset",
                    "id": "dset_01m7w74m4ve4esgepz92mvfgnz",
                    "name": "support",
                    "filename": "support.jsonl",
                    "bytes": 326778,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "state": "ready",
                    "format": "chat",
                    "examples": 449,
                    "errors": 0,
                    "warnings": 2,
                    "progress": None,
                    "attention": None,
                    "parent": None,
                    "recipe": None,
                    "created_at": "2026-11-20T10:00:00Z",
                    "created_by": "key_01m7w8t99cefnrk84f576v5h3w",
                    "erase_requested_at": None,
                    "erased_at": None,
                    "validated_at": "2026-11-20T10:00:01Z",
                }
            ]
        }
    )
    object: Literal["dataset"] = "dataset"
    id: str
    name: str = Field(description="For people; the filename's stem unless given.")
    filename: str
    bytes: int | None = Field(description="Null while a part of another dataset is still to be made.")
    sha256: str | None = Field(description="Of the bytes as stored. The same bytes posted twice are one dataset.")
    state: State = Field(
        description="`received`, `validating`, then `ready` or, with errors in the report, `invalid`; last `archived`."
    )
    format: str | None = Field(
        description="What the file was found to be; trained on are `chat`, `preference` and `reinforcement`."
    )
    examples: int | None = Field(description="Lines that are not empty; null for a format that is refused.")
    errors: int | None = Field(description="Problems that stop a job.")
    warnings: int | None = Field(description="Problems that do not.")
    progress: Progress | None = Field(description="While it is `validating`.")
    attention: str | None = Field(description="Why the platform team must look at it, if it must.")
    parent: str | None = Field(description="The dataset it is a part of.")
    recipe: Recipe | None = Field(description="How it is made of its parent.")
    created_at: datetime
    created_by: str = Field(description="The key that posted it.")
    validated_at: datetime | None
    erase_requested_at: datetime | None = Field(description="When it was deleted, or had been kept long enough.")
    erased_at: datetime | None = Field(description="When its bytes and all copies were gone.")


class SplitRequest(Body):
    """How to cut a dataset in two: name the fraction or the count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"validation_fraction": "0.1", "seed": 7}]})
    validation_fraction: Decimal | None = Field(
        None, gt=0, lt=1, max_digits=6, decimal_places=6, description="Share of the examples that is for validation."
    )
    validation_count: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Number of the examples that are for validation."
    )
    seed: int = Field(0, ge=0, le=SEED_MAX, description="Another seed, another choice; the same one, the same.")
    stratify_by: Literal["answer", "label"] | None = Field(
        None,
        description="Cut all examples of the same `answer` in this proportion, to within one of each: the last text of "
        "the assistant, or the completion. In a dataset prepared from a table that is its `label`: both are the same.",
    )

    @model_validator(mode="after")
    def _names_one(self) -> "SplitRequest":
        if (self.validation_fraction is None) == (self.validation_count is None):
            raise ValueError("give either validation_fraction or validation_count")
        return self


class SubsetRequest(Body):
    """How much of a dataset to take: name the fraction or the count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"fraction": "0.5", "seed": 7}]})
    fraction: Decimal | None = Field(
        None, gt=0, lt=1, max_digits=6, decimal_places=6, description="Share of the examples that is taken."
    )
    count: int | None = Field(None, ge=1, le=2**31 - 1, description="Number of the examples that are taken.")
    seed: int = Field(0, ge=0, le=SEED_MAX, description="With the same one, a smaller subset lies within a larger.")

    @model_validator(mode="after")
    def _names_one(self) -> "SubsetRequest":
        if (self.fraction is None) == (self.count is None):
            raise ValueError("give either fraction or count")
        return self


class SplitView(BaseModel):
    """The two parts of a dataset; each is made and checked by a worker, and then is a dataset like any other."""

    object: Literal["dataset.split"] = "dataset.split"
    train: DatasetView
    validation: DatasetView
