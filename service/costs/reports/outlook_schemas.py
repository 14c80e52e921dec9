"""Forecast, accuracy of estimates, and tuned models that lie idle, as JSON."""

from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from service.kit import money

_KEY: Final = "The value of `group_by`; null: what belongs to none."


class ForecastTotal(BaseModel):
    """Amounts at the end of the period."""

    booked: money.Amount = Field(description="Charged and adjusted so far.")
    held: money.Amount = Field(description="For jobs under way.")
    expected: money.Amount = Field(description="What the pace of the last days adds beyond what is held.")
    forecast: money.Amount = Field(description="Booked, held and expected together.")
    low: money.Amount
    high: money.Amount


class ForecastRow(ForecastTotal):
    """The same of one team, or whatever it is grouped by."""

    key: str | None = Field(description=_KEY, examples=["support-bot"])


class Forecast(BaseModel):
    """What a period will have cost at its end, and how that was reckoned."""

    object: Literal["cost_forecast"] = "cost_forecast"
    start: date
    end: date
    at: datetime
    days_left: float = Field(description="Of the period, the present one by its part.")
    method: str
    group_by: str
    currency: str = Field(examples=["USD"])
    rows: list[ForecastRow]
    total: ForecastTotal = Field(
        description="The sum of the rows; its low and high are closer, as rows are seldom high together."
    )


class Estimates(BaseModel):
    """Estimates against bills, over jobs that were charged for and had money held."""

    jobs: int
    estimated: money.Amount
    actual: money.Amount
    ratio: float | None = Field(description="actual ÷ estimated, of all together.")
    bias: float | None = Field(description="Mean of what each job was billed above its estimate, as a share of that.")
    error: float | None = Field(description="The same without signs: how far off an estimate was on average.")
    overruns: int = Field(description="Jobs that were billed more than was held.")


class AccuracyRow(Estimates):
    """The same of one team, or whatever it is grouped by."""

    key: str | None = Field(description=_KEY)


class WorstEstimate(BaseModel):
    """A job whose bill was far from its estimate."""

    job: str
    team: str | None
    base_model: str | None
    estimated: money.Amount
    actual: money.Amount
    ratio: float


class Accuracy(BaseModel):
    """How good estimates of a period were."""

    object: Literal["cost_accuracy"] = "cost_accuracy"
    start: date
    end: date
    group_by: str
    currency: str = Field(examples=["USD"])
    rows: list[AccuracyRow]
    total: Estimates
    worst: list[WorstEstimate] = Field(description="The ten that were furthest off in money, the furthest first.")


class IdleModel(BaseModel):
    """A tuned model that nobody has used for a while, and what it has cost."""

    object: Literal["idle_model"] = "idle_model"
    id: str = Field(description="The model as the provider calls it.", examples=["ft:gpt-4.1-mini:acme::a1b2c3d4"])
    team: str | None
    version: str | None = Field(description="Its version in the registry, where it is one.")
    base_model: str
    created_on: date
    last_used_on: date | None = Field(description="The last day (UTC) the provider's usage names it; null: none yet.")
    usage_read_before: date = Field(description="Usage of its account was read up to that day.")
    idle_days: int = Field(description="Days before that one since it was used or, if it never was, made.")
    cost: money.Amount = Field(description="Everything booked for it: training, use, adjustments.")
    currency: str = Field(examples=["USD"])
