"""What limits beside money look like, and how they are set."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.kit import money
from service.kit.bodies import Body
from service.quotas.rules import Origin

Unlimited = Literal["unlimited"]
MONEY: Final = r"^[0-9]{1,10}(\.[0-9]{1,10})?$"


class LimitsSet(Body):
    """Limits as operators give them.

    A field that is absent is inherited: a team's from the platform, the platform's from the defaults. Zero or an empty
    list denies, and the word `unlimited` lifts the limit.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "allowed_models": ["gpt-4o-mini", "gpt-4.1-mini"],
                    "concurrent_jobs": 4,
                    "jobs_per_day": "unlimited",
                    "approval_above": "50.00",
                }
            ]
        }
    )
    allowed_models: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=200)] | Unlimited | None = (
        Field(None, description="Base models that may be trained. An undated alias stands for the snapshot of today.")
    )
    allowed_methods: list[Literal["supervised", "dpo", "reinforcement"]] | Unlimited | None = Field(
        None, description="Methods that may be trained by."
    )
    concurrent_jobs: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | Unlimited | None = Field(
        None, description="Jobs that are at the provider at the same time; more of them wait for their turn."
    )
    jobs_per_day: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | Unlimited | None = Field(
        None, description="Jobs submitted on one day of the team's own calendar; more of them are refused."
    )
    weight: Annotated[Decimal, Field(gt=0, le=1000, decimal_places=3)] | None = Field(
        None, description="The team's share of the turns, against the weights of others; never zero."
    )
    approval_above: Annotated[str, Field(pattern=MONEY)] | Unlimited | None = Field(
        None, description="A job of a higher price waits for a second person. Zero: every job that costs anything."
    )

    storage_bytes: Annotated[int, Field(strict=True, ge=0, le=2**53)] | Unlimited | None = Field(
        None, description="Bytes of all the team's datasets together; an upload that does not fit is refused."
    )
    retention_days: Annotated[int, Field(strict=True, ge=1, le=36_500)] | Unlimited | None = Field(
        None,
        description="Datasets older than this are deleted, at the provider too, once no job needs them; never zero.",
    )

    training_tokens_per_month: Annotated[int, Field(strict=True, ge=0, le=2**53)] | Unlimited | None = Field(
        None, description="Tokens trained on in one month of the team's own calendar; a job beyond them is refused."
    )

    requests_per_minute: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] | Unlimited | None = Field(
        None, description="Requests of all the team's keys in any minute; resolving a model is never counted."
    )
    requests_per_minute_per_key: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] | Unlimited | None = Field(
        None, description="The same of each key."
    )

    def words(self) -> dict[str, Any]:
        """What was given, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)


class _InForce(BaseModel):
    origin: Origin = Field(
        serialization_alias="from", description="Whose word it is: the team's own, else inherited.", examples=["team"]
    )


class ListLimit(_InForce):
    """What is allowed."""

    value: list[str] | Unlimited


class CountLimit(_InForce):
    """How many, and how many there are."""

    value: int | Unlimited
    used: int | None = Field(None, description="Null for the platform, which uses nothing itself.")
    resets_at: datetime | None = Field(
        None, description="When `used` is zero again; null: as jobs end, or datasets are deleted."
    )


class TokensLimit(_InForce):
    """How many a month, how many were trained on, and how many are held for jobs under way."""

    value: int | Unlimited
    used: int | None = Field(None, description="Null for the platform, which uses nothing itself.")
    held: int | None = None
    resets_at: datetime | None = Field(None, description="When the next month begins.")


class RateLimit(_InForce):
    """How many a minute. Every answer says what is left of it, in its header `RateLimit`."""

    value: int | Unlimited


class DaysLimit(_InForce):
    """How long."""

    value: int | Unlimited


class WeightLimit(_InForce):
    """A share, against those of others."""

    value: float


class PriceLimit(_InForce):
    """A price, in the platform's currency."""

    value: money.Amount | Unlimited


class LimitsView(BaseModel):
    """The limits in force, and what of them is used."""

    object: Literal["limits"] = "limits"
    team: str | None = Field(description="The team's slug; null: the platform's, which teams inherit.")
    allowed_models: ListLimit
    allowed_methods: ListLimit
    concurrent_jobs: CountLimit
    jobs_per_day: CountLimit
    weight: WeightLimit
    approval_above: PriceLimit
    storage_bytes: CountLimit
    retention_days: DaysLimit
    training_tokens_per_month: TokensLimit
    requests_per_minute: RateLimit
    requests_per_minute_per_key: RateLimit
    currency: str = Field(money.CURRENCY, description="ISO 4217.")

    @classmethod
    def of(
        cls,
        team: str | None,
        in_force: Mapping[str, tuple[Any, Origin]],
        used: Mapping[str, dict[str, Any]] | None = None,
    ) -> Self:
        """The words in force as users see them, and with each what `used` knows of its use."""
        shown = {
            name: {"value": word, "origin": whose} | (used or {}).get(name, {})
            for name, (word, whose) in in_force.items()
        }
        return cls.model_validate({"team": team, **shown})
