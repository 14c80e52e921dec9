"""What a budget looks like, and how one is set."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.kit import money
from service.kit.bodies import Body


class BudgetSet(Body):
    """A team's limit for each calendar month."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit": "500.00"}]})
    monthly_limit: str = Field(
        pattern=r"^[0-9]{1,10}(\.[0-9]{1,10})?$",
        description="A decimal string in the platform's currency. Zero: nothing may be spent.",
    )

    @property
    def amount(self) -> Decimal:
        """The limit as a number."""
        return Decimal(self.monthly_limit)


class BudgetView(BaseModel):
    """A team's money this month. What is held belongs to jobs under way: it is spent or given back when they end."""

    object: Literal["budget"] = "budget"
    team: str = Field(description="The team's slug.", examples=["support-bot"])
    month: str = Field(description="The calendar month in the team's time zone.", examples=["2026-11"])
    limit: money.Amount | None = Field(description="Null: never set, so nothing may be spent.")
    spent: money.Amount = Field(description="What ended jobs have cost. More than the limit if that was lowered since.")
    held: money.Amount = Field(description="What jobs under way may cost at most.")
    left: money.Amount = Field(description="What may still be held for new jobs; never below zero.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    resets_at: datetime = Field(description="When the next month begins.")
