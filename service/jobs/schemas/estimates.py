"""What a job would cost, or why nobody can say."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.kit import money


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
