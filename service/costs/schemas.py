"""The cost report."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.kit import money


class ReportPeriod(BaseModel):
    """A half-open span: what was charged at `end` belongs to the next."""

    start: datetime
    end: datetime


class CostTotal(BaseModel):
    """Measures over any number of entries."""

    reserved: money.Amount = Field(description="Held now for jobs under way, in the team's month of that name.")
    settled: money.Amount = Field(description="Booked in the ledger, by the instant of the charge.")
    quantity: int = Field(description="Trained tokens that were charged. What is paid by the hour adds none.")


class CostRow(CostTotal):
    """One combination of the keys asked for; only those are present. Null is a value: costs that belong to none."""

    team: str | None = Field(None, description="Slug of the team on the day.", examples=["support-bot"])
    base_model: str | None = Field(None, examples=["gpt-4.1-mini-2025-04-14"])
    model: str | None = Field(None, description="The fine-tuned model. Null: unallocated, no model came of it (yet).")
    job: str | None = Field(None, examples=["job_01kagdwa5ye0h8m9c6j7t5a3xq"])


class CostReport(BaseModel):
    """What was spent in a month and what is held. The total equals the sum of the rows to the last digit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "cost_report",
                    "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
                    "group_by": ["team", "model"],
                    "currency": "USD",
                    "rows": [
                        {
                            "team": "support-bot",
                            "model": "ft:gpt-4.1-mini-2025-04-14:acme:support:a1b2c3d4",
                            "reserved": "0.00",
                            "settled": "0.4306",
                            "quantity": 86120,
                        },
                        {"team": "support-bot", "model": None, "reserved": "1.25", "settled": "0.00", "quantity": 0},
                    ],
                    "total": {"reserved": "1.25", "settled": "0.4306", "quantity": 86120},
                }
            ]
        }
    )
    object: Literal["cost_report"]
    period: ReportPeriod
    group_by: list[str] = Field(description="The keys of each row, in the order they are sorted by.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    rows: list[CostRow]
    total: CostTotal
