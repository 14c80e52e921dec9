"""Reconciliation as shown and asked for."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.costs.metering.schemas import ReadingView
from service.costs.reconciling.rules import TOLERANCE, Cause, DayState
from service.kit import money
from service.kit.bodies import Body
from service.kit.pages import Page


class FindingView(BaseModel):
    """A difference with its cause."""

    id: str = Field(examples=["find_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    cause: Cause
    line_item: str = Field(examples=["gpt-4.1-mini-2025-04-14, training_tokens"])
    project: str | None = Field(description="Of the provider; null: of all together, or it tells none.")
    api_key: str | None
    base_model: str | None
    meter: str | None
    billed: money.Amount = Field(description="By the provider, for all that is compared here as one.")
    booked: money.Amount = Field(description="In the ledger for the same. Of an `unmapped_key`: what is nobody's.")
    amount: money.Amount = Field(description="This part of what was billed beyond the ledger; below zero: not billed.")
    adjusted: money.Amount = Field(description="What was booked about it since.")
    left: money.Amount = Field(description="What is not explained away yet: `amount` less `adjusted`.")
    corrects: str | None = Field(description="The ledger entry it is about, where it is about one.")
    detail: str
    is_open: bool
    found_at: datetime


class ReconciliationView(BaseModel):
    """One day of one account: what the provider bills against what the ledger has."""

    object: Literal["reconciliation"] = "reconciliation"
    id: str = Field(examples=["recon_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    connection: str
    provider: str
    day: date = Field(description="The provider's day, which is UTC.")
    state: DayState = Field(description="`timing`: the provider may not be done telling; nothing is to be done yet.")
    currency: str
    billed: money.Amount = Field(description="For training and for inference on tuned models, and what we do not know.")
    booked: money.Amount = Field(description="In the ledger.")
    adjusted: money.Amount = Field(description="Booked about the difference since.")
    residual: money.Amount = Field(
        description="`billed` less `booked` less `adjusted`: what is left of all findings, and `rounding`."
    )
    rounding: money.Amount = Field(
        description="Of lines that match: amounts come as floats, rounded by the provider. At most `tolerance` a line."
    )
    outside: money.Amount = Field(description="Billed for base models, which this ledger does not keep.")
    causes: list[Cause] = Field(description="Of what is open, each once.")
    tolerance: money.Amount = Field(TOLERANCE, description="A line whose sides differ by no more matches: USD.")
    checked_at: datetime


class ReconciliationDetail(ReconciliationView):
    """The same with every difference."""

    findings: list[FindingView]


class ReconciliationPage(Page[ReconciliationView]):
    """A page of days, and how far each account has been read."""

    accounts: list[ReadingView]


class AdjustRequest(Body):
    """Book what is left of a day's differences."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"finding": "find_01k8z0q3v6fq0r2m9t6c4x5y7z", "reason": "Billed by the provider, not by us"}]
        }
    )
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    finding: str | None = Field(None, max_length=64, description="Null: all that are open, those of `timing` aside.")
    team: str | None = Field(
        None, max_length=64, description="Who pays what is about no entry; null: nobody, it is unallocated."
    )
