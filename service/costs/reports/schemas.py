"""The cost report as JSON: declares what `written.as_json` writes, whose rows are too many to go through here."""

from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.catalog import PriceView
from service.kit import money
from service.kit.pages import Page


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


_ENTRY: Final[dict[str, Any]] = {
    "object": "cost_entry", "id": "entry_01kagdwb7c8f5t2m4n6p8q0rsv", "kind": "training", "posted_on": "2026-11-20",
    "charged_at": "2026-11-20T12:30:15Z", "recorded_at": "2026-11-20T12:30:31.402Z", "team": "support-bot",
    "team_name": "Support bot", "cost_center": "CC-4711", "product": "Helpdesk", "environment": "prod",
    "provider": "openai", "connection": "conn_01kagdwa5ye0h8m9c6j7t5a3xq", "job": "job_01kagdwa5ye0h8m9c6j7t5a3xq",
    "provider_job_id": "ftjob-abc123", "base_model": "gpt-4.1-mini-2025-04-14",
    "model": "ft:gpt-4.1-mini-2025-04-14:acme:support:a1b2c3d4", "version": None, "meter": "training_tokens",
    "quantity": 86120, "unit_quantity": "1000000.00", "unit_price": "5.00", "list_unit_price": None,
    "price": "price_01kagdwa5ye0h8m9c6j7t5a3xq", "amount": "0.4306", "currency": "USD", "estimated": "0.60",
    "accrued": False, "budget_month": "2026-11", "debit_account": "team:support-bot:training",
    "credit_account": "provider:openai", "corrects": None, "reason": None, "booked_by": "worker",
    "description": "Fine-tuning of gpt-4.1-mini-2025-04-14 on 86120 tokens, openai job ftjob-abc123",
    "ext_ref": "charge:openai:ftjob-abc123",
}  # fmt: skip


class CostEntry(BaseModel):
    """An amount that moved from one account to another, with all that explains it as of that day. It never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})
    object: Literal["cost_entry"] = "cost_entry"
    id: str
    kind: Literal["training", "inference", "adjustment"]
    posted_on: date = Field(description="The day (UTC) it counts in: that of the charge, unless that month was closed.")
    charged_at: datetime = Field(description="When the provider did what it bills.")
    recorded_at: datetime
    team: str | None = Field(description="Slug, as of the charge, like the four after it; null: unallocated.")
    team_name: str | None
    cost_center: str | None
    product: str | None
    environment: str | None
    provider: str
    connection: str | None = Field(description="Account at the provider.")
    job: str | None
    provider_job_id: str | None = Field(description="The provider's own name of the job.")
    base_model: str | None
    model: str | None = Field(description="The fine-tuned model.")
    version: str | None
    meter: str
    quantity: int = Field(description="Of the meter: tokens, or seconds where it counts hours.")
    unit_quantity: money.Amount | None = Field(description="For how much of it the price is.")
    unit_price: money.Amount | None
    list_unit_price: money.Amount | None = Field(description="The provider's public price, where it differs.")
    price: str | None = Field(description="Row of the price book.")
    amount: money.Amount = Field(
        description="quantity × unit_price ÷ unit_quantity; of an adjustment what was decided."
    )
    currency: str
    estimated: money.Amount = Field(description="What had been held for it.")
    accrued: bool = Field(description="By our own reckoning: the provider had told no amount.")
    budget_month: str | None = Field(description="The month of the team's budget that pays it; null: none does.")
    debit_account: str
    credit_account: str
    description: str
    corrects: str | None = Field(description="The entry it corrects.")
    reason: str | None
    booked_by: str
    ext_ref: str = Field(description="What makes it the same bill if it comes again; unique.")


class CostEntryPage(Page[CostEntry]):
    """A page of entries, newest first."""


class ExplainedEntry(CostEntry):
    """An entry, the price it was reckoned with, and the entries it belongs to."""

    price_row: PriceView | None
    corrected_entry: CostEntry | None = Field(description="The one that `corrects` names.")
    corrections: list[CostEntry] = Field(description="Those that correct this one, oldest first.")
