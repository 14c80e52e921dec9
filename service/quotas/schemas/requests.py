"""What requests for more budget look like, how they are made and how they are decided."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.kit import money
from service.kit.bodies import Body, Instant
from service.quotas.schemas.limits import MONEY

RequestState = Literal["pending", "approved", "declined", "withdrawn", "expired"]


def _is_some(amount: str) -> str:
    if Decimal(amount) == 0:
        raise ValueError("it must be above zero")
    return amount


Some = Annotated[str, Field(pattern=MONEY), AfterValidator(_is_some)]


class BudgetAsk(Body):
    """How much more a team needs this month, and what for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "200.00", "reason": "Retraining on the spring catalogue."}]}
    )
    amount: Some = Field(description="A decimal string in the platform's currency, above zero.")
    reason: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="For whoever decides.")


class BudgetGrant(Body):
    """What is granted, if other than what was asked for, and until when."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "150.00", "expires_at": "2026-11-25T00:00:00Z"}]}
    )
    amount: Some | None = Field(None, description="Absent: what was asked for.")
    expires_at: Instant | None = Field(
        None, description="What is neither spent nor held by then is taken back. Absent: when the month ends."
    )
    note: Annotated[str, Field(max_length=500)] | None = Field(None, description="For the team.")


class BudgetDecline(Body):
    """Why not."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Try the mini model first."}]})
    note: Annotated[str, Field(max_length=500)] | None = Field(None, description="For the team.")


class GrantView(BaseModel):
    """Money that was added to a month's limit."""

    month: str = Field(description="The month of the team's calendar whose limit it raises.", examples=["2026-11"])
    amount: money.Amount
    expires_at: datetime = Field(description="From then on the limit is without it.")
    expired: bool


class BudgetRequestView(BaseModel):
    """A request for more budget."""

    object: Literal["budget_request"] = "budget_request"
    id: str = Field(examples=["breq_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    team: str = Field(description="The team's slug when it asked.", examples=["support-bot"])
    state: RequestState
    amount: money.Amount = Field(description="What was asked for.")
    currency: str = Field(money.CURRENCY, description="ISO 4217.")
    reason: str
    created_by: str = Field(description="Id of the key.")
    created_at: datetime
    expires_at: datetime = Field(description="Pending, it expires then.")
    decided_by: str | None = Field(description="Id of the key that approved, declined or withdrew it.")
    decided_at: datetime | None
    note: str | None = Field(description="What whoever decided had to say.")
    grant: GrantView | None = Field(description="What was granted; null unless it was approved.")
