"""What a job would cost, or why nobody can say; and what deserves a word although it does not stand in the way."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.kit import money


class JobWarning(BaseModel):
    """Something about a job that does not stand in its way, but that whoever asked should know."""

    code: str = Field(examples=["few_examples"])
    message: str
    pointer: str | None = Field(None, description="What in the request it is about.", examples=["#/dataset"])


class PriceRange(BaseModel):
    """What a job costs at least, most likely, and at most. Null is what nobody knows."""

    low: money.Amount | None
    expected: money.Amount | None
    high: money.Amount = Field(description="Exactly what would be reserved.")


class Available(BaseModel):
    """What the job would cost."""

    status: Literal["available"] = "available"
    tokens_per_epoch: int = Field(description="Billed tokens of one pass over the data.")
    epochs: int | None = Field(description="Epochs that `high` is for; null where the price is by the hour.")
    tokens: int | None = Field(description="Tokens per epoch times epochs; null where the price is by the hour.")
    price: PriceRange
    currency: str = Field(examples=["USD"])
    meter: str = Field(description="What is paid for: `training_tokens`, or `training_hours` for reinforcement.")
    unit_price: money.Amount = Field(description="Price of a million tokens, or of an hour.")
    price_version: str = Field(description="The row of the price book; a job keeps the one it was taken on with.")
    fits_budget: bool = Field(description="Whether `high` can be reserved now.")
    budget_left: money.Amount | Literal["unlimited"]
    fits_max_cost: bool | None = Field(description="Whether `high` is within `budget.max_cost`; null without one.")
    needs_approval: bool = Field(description="Whether `high` is above the team's limit `approval_above`.")
    assumptions: list[str] = Field(description="What each number rests on.")
    warnings: list[JobWarning]


class Unavailable(BaseModel):
    """Why there is no price. Never a zero for something unknown."""

    status: Literal["unavailable"] = "unavailable"
    reason: str = Field(description="Machine code of what is missing.", examples=["dataset_not_ready"])
    message: str


Estimate = Annotated[Available | Unavailable, Field(discriminator="status")]
