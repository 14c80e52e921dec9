"""The cost report."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.costs.models import LedgerEntry
from service.kit import ids, money
from service.kit.bodies import Body, Instant

_SIGNED: Final = r"^-?[0-9]{1,9}(\.[0-9]{1,10})?$"


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


def _moves_something(text: str) -> str:
    if not Decimal(text):
        raise ValueError("an adjustment of nothing is none")
    return text


class AdjustmentRequest(Body):
    """An amount to book, with the reason: against an entry (`corrects`), or on a team (`team`, null: nobody's)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "corrects": "entry_01kagdwa5ye0h8m9c6j7t5a3xq",
                    "amount": "-0.4306",
                    "reason": "Credit note 2026-118: the job was billed twice",
                },
                {
                    "team": "support-bot",
                    "provider": "openai",
                    "amount": "12.50",
                    "reason": "Share of the support contract",
                },
            ]
        }
    )
    amount: Annotated[str, Field(pattern=_SIGNED), AfterValidator(_moves_something)] = Field(
        description="A decimal string in the platform's currency; what is below zero is given back."
    )
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    corrects: str | None = Field(
        None, description="Id of the entry it corrects: the same owner, job, model and day of charge."
    )
    team: str | None = Field(None, description="Slug or id of the team that is charged; null: unallocated.")
    provider: str | None = Field(None, max_length=32, description="Whose invoice it is about.", examples=["openai"])
    base_model: str | None = Field(None, max_length=100)
    model: str | None = Field(None, max_length=200, description="The fine-tuned model.")
    charged_at: Instant | None = Field(None, description="When what it is about was charged; absent: now.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        told = self.model_fields_set - {"amount", "reason"}
        if self.corrects is not None and told != {"corrects"}:
            raise ValueError("what corrects an entry takes everything but amount and reason from it")
        if self.corrects is None and ("team" not in told or self.provider is None):
            raise ValueError("give `corrects`, or `team` and `provider`; a team of null is unallocated")
        return self


class AdjustmentView(BaseModel):
    """An entry of the ledger that somebody decided on."""

    object: Literal["adjustment"] = "adjustment"
    id: str = Field(description="The entry's.", examples=["entry_01kagdwb7c8f5t2m4n6p8q0rsv"])
    team: str | None = Field(description="Slug of the team as of the charge; null: unallocated.")
    amount: money.Amount
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    reason: str
    corrects: str | None
    charged_at: datetime
    posted_on: date = Field(
        description="The day (UTC) it counts in reports: that of the charge, unless that month is closed."
    )
    budget_month: str | None = Field(description="The month of the team's budget it counts in; null: none pays it.")
    booked_by: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        """The entry as shown."""
        return cls(
            id=ids.show("entry", entry.id),
            team=entry.team_slug,
            amount=entry.amount,
            currency=entry.currency,
            reason=entry.reason or "",
            corrects=ids.show("entry", entry.corrects) if entry.corrects else None,
            charged_at=entry.charged_at,
            posted_on=entry.posted_on,
            budget_month=f"{entry.budget_month:%Y-%m}" if entry.budget_month else None,
            booked_by=entry.booked_by,
        )
