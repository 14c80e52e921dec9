"""The cost report as JSON: declares what `written.as_json` writes, whose rows are too many to go through here."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.kit import money


class ReportPeriod(BaseModel):
    """A half-open span of days in UTC: what counts at `end` belongs to the next."""

    start: datetime
    end: datetime
    state: Literal["open", "closed"] = Field(description="Closed: all months of it are, and the report stays as it is.")
    revision: int = Field(description="How often months of it have been closed.")


class CostTotal(BaseModel):
    """Measures over any number of entries; `cost` is accrued, settled and adjusted together."""

    estimated: money.Amount = Field(description="What had been held for what was charged.")
    reserved: money.Amount | None = Field(
        description="Held now for jobs under way, in the teams' months that the period touches. Null of a moment in "
        "the past, which nobody knows, and of a closed period."
    )
    accrued: money.Amount = Field(description="Charged by our own reckoning; the provider has not confirmed it.")
    settled: money.Amount = Field(description="Charged as the provider told it.")
    adjusted: money.Amount = Field(description="Corrections that somebody booked.")
    cost: money.Amount
    quantity: int = Field(description="Trained tokens that were charged. What is paid by the hour adds none.")


class CostRow(CostTotal):
    """One combination of the keys asked for; only those are present. Null is a value: costs that belong to none."""

    team: str | None = Field(None, description="Slug of the team on the day.", examples=["support-bot"])
    cost_center: str | None = None
    product: str | None = None
    environment: str | None = None
    provider: str | None = Field(None, examples=["openai"])
    base_model: str | None = Field(None, examples=["gpt-4.1-mini-2025-04-14"])
    model: str | None = Field(None, description="The fine-tuned model. Null: unallocated, no model came of it (yet).")
    job: str | None = Field(None, examples=["job_01kagdwa5ye0h8m9c6j7t5a3xq"])
    meter: str | None = Field(None, examples=["training_tokens"])
    day: str | None = Field(None, description="The day (UTC) it counts in; null: held, and not charged yet.")
    month: str | None = Field(None, examples=["2026-11"])


_EXAMPLE: Final[dict[str, Any]] = {
    "object": "cost_report",
    "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z", "state": "open", "revision": 0},
    "as_of": None,
    "group_by": ["team", "model"],
    "currency": "USD",
    "rows": [
        {
            "team": "support-bot",
            "model": "ft:gpt-4.1-mini-2025-04-14:acme:support:a1b2c3d4",
            "estimated": "0.60", "reserved": "0.00", "accrued": "0.00", "settled": "0.4306", "adjusted": "-0.10",
            "cost": "0.3306", "quantity": 86120,
        },
        {
            "team": "support-bot", "model": None,
            "estimated": "0.00", "reserved": "1.25", "accrued": "0.00", "settled": "0.00", "adjusted": "0.00",
            "cost": "0.00", "quantity": 0,
        },
    ],
    "total": {
        "estimated": "0.60", "reserved": "1.25", "accrued": "0.00", "settled": "0.4306", "adjusted": "-0.10",
        "cost": "0.3306", "quantity": 86120,
    },
    "has_more": False,
    "next": None,
}  # fmt: skip


class CostReport(BaseModel):
    """What was spent in a period and what is held. The total equals the sum of all rows to the last digit."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    object: Literal["cost_report"]
    period: ReportPeriod
    as_of: datetime | None = Field(description="The moment whose report it is; null: now.")
    group_by: list[str] = Field(description="The keys of each row, in the order they are sorted by.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    rows: list[CostRow]
    total: CostTotal = Field(description="Of all rows, also of those on other pages.")
    has_more: bool
    next: str | None = Field(description="Where to go on, as `after`.")
