"""What budgets look like, and how they are set."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.kit import money
from service.kit.bodies import Body
from service.quotas.rules import Origin
from service.quotas.schemas.limits import MONEY, Unlimited

Money = Annotated[str, Field(pattern=MONEY)]
Percent = Annotated[int, Field(strict=True, ge=1, le=100)]


class BudgetSet(Body):
    """A budget's terms as operators give them, for each calendar month.

    A field that is absent or null is inherited: a team's from the platform, the platform's from the defaults. Zero, or
    an empty list, denies, and the word `unlimited` lifts the limit.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"monthly_limit": "500.00", "rollover_max": "100.00", "thresholds": [80, 100]}]}
    )
    monthly_limit: Money | Unlimited | None = Field(
        None, description="A decimal string in the platform's currency. Zero: nothing may be spent."
    )
    rollover_max: Money | Unlimited | None = Field(
        None, description="The most of what is left of a month that is carried into the next. Default: nothing."
    )
    thresholds: Annotated[list[Percent], Field(max_length=10)] | None = Field(
        None, description="Percent of the limit; spent, each is told once a month. Default: 50, 80 and 100."
    )

    @field_validator("thresholds")
    @classmethod
    def _in_order(cls, given: list[int] | None) -> list[int] | None:
        return None if given is None else sorted(set(given))

    def words(self) -> dict[str, Any]:
        """What was given, as JSON; amounts as they are shown."""
        words = self.model_dump(exclude_none=True)
        for name in words.keys() & {"monthly_limit", "rollover_max"}:
            words[name] = words[name] if words[name] == "unlimited" else money.text(Decimal(words[name]))
        return words


class BudgetView(BaseModel):
    """A team's money this month. What is held belongs to jobs under way: it is spent or given back when they end."""

    object: Literal["budget"] = "budget"
    team: str = Field(description="The team's slug.", examples=["support-bot"])
    month: str = Field(description="The calendar month in the team's time zone.", examples=["2026-11"])
    limit: money.Amount | Unlimited | None = Field(
        description="`base` + `carried` + `granted`. Null: never set, so nothing may be spent."
    )
    origin: Origin = Field(
        serialization_alias="from", description="Whose word `base` is: the team's own, else inherited."
    )
    base: money.Amount | Unlimited | None = Field(description="The month's own limit.")
    carried: money.Amount = Field(description="What was left of the month before, up to `rollover_max`.")
    granted: money.Amount = Field(description="What was asked for and approved, and has not expired.")
    spent: money.Amount = Field(description="What ended jobs have cost. More than the limit if that was lowered since.")
    held: money.Amount = Field(description="What jobs under way may cost at most.")
    left: money.Amount | Unlimited = Field(description="What may still be held for new jobs; never below zero.")
    rollover_max: money.Amount | Unlimited = Field(description="The most that is carried into the next month.")
    thresholds: list[int] = Field(description="Percent of the limit; each is told once a month when it is spent.")
    told: list[int] = Field(description="Those told this month.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    resets_at: datetime = Field(description="When the next month begins.")

    def fits(self, asked: Decimal) -> bool:
        """Whether that much could be held as things stand."""
        return isinstance(self.left, str) or asked <= self.left


class PlatformBudgetView(BaseModel):
    """What every team's months start with that has nothing else set."""

    object: Literal["platform_budget"] = "platform_budget"
    monthly_limit: money.Amount | Unlimited | None = Field(description="Null: a team without its own has no budget.")
    rollover_max: money.Amount | Unlimited
    thresholds: list[int]
    currency: str = Field(money.CURRENCY, description="ISO 4217.")

    @classmethod
    def of(cls, in_force: Mapping[str, tuple[Any, Origin]]) -> Self:
        """The words in force as users see them."""
        return cls.model_validate({name: word for name, (word, _) in in_force.items()})
