"""Adjustments and billing periods."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.costs.models import LedgerEntry, PeriodSeal
from service.kit import ids, money
from service.kit.bodies import Body, Instant

_SIGNED: Final = r"^-?[0-9]{1,9}(\.[0-9]{1,10})?$"


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
    base_model: str | None = Field(None, min_length=1, max_length=100)
    model: str | None = Field(None, min_length=1, max_length=200, description="The fine-tuned model.")
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


class SealView(BaseModel):
    """What a month held when it was closed. Keep `head` elsewhere too: whoever has it can tell a rewritten ledger."""

    head: str = Field(description="SHA-256 over all entries, from the head of the closed month before; hexadecimal.")
    previous: str
    sealed_at: datetime
    sealed_by: str

    @classmethod
    def of(cls, seal: PeriodSeal) -> Self:
        """The seal as shown."""
        return cls(
            head=seal.head.hex(), previous=seal.previous.hex(), sealed_at=seal.sealed_at, sealed_by=seal.sealed_by
        )


class PeriodWarning(BaseModel):
    """Something that is not finished in a month. It does not stop the closing."""

    code: Literal["held", "accrued", "unreconciled"]
    message: str
    count: int
    amount: money.Amount


class PeriodView(BaseModel):
    """A calendar month in UTC. While it is closed nothing more counts in it: its reports stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "billing_period",
                    "month": "2026-10",
                    "start": "2026-10-01T00:00:00Z",
                    "end": "2026-11-01T00:00:00Z",
                    "state": "closed",
                    "revision": 1,
                    "reopened_because": None,
                    "changed_at": "2026-11-03T09:12:44Z",
                    "changed_by": "key_01kagdwa5ye0h8m9c6j7t5a3xq",
                    "entries": 418,
                    "total": "1290.4306",
                    "currency": "USD",
                    "seal": {
                        "head": "5f2b3c0d9a8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
                        "previous": "0000000000000000000000000000000000000000000000000000000000000000",
                        "sealed_at": "2026-11-03T09:12:45Z",
                        "sealed_by": "key_01kagdwa5ye0h8m9c6j7t5a3xq",
                    },
                    "warnings": [],
                }
            ]
        }
    )
    object: Literal["billing_period"] = "billing_period"
    month: str = Field(examples=["2026-10"])
    start: datetime
    end: datetime = Field(description="The first instant after it.")
    state: Literal["open", "closed"]
    revision: int = Field(description="How often it was closed.")
    reopened_because: str | None = Field(description="Why it is open again.")
    changed_at: datetime | None = Field(description="When it was last closed or reopened; null: never.")
    changed_by: str | None
    entries: int | None = Field(None, description="Null for a team's key, and in lists while the month is open.")
    total: money.Amount | None = Field(None, description="Sum of all entries; null as above.")
    currency: str = Field(money.CURRENCY, description="ISO 4217.")
    seal: SealView | None = Field(None, description="Null while it is open, and for a team's key.")
    warnings: list[PeriodWarning] = Field([], description="What is not finished; empty in lists.")


class Reopen(Body):
    """Why a closed month is opened again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Credit note 2026-118 belongs to October"}]})
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class SealDifference(BaseModel):
    """The first place where the ledger is not what was sealed."""

    kind: Literal["changed", "removed", "added", "reordered", "previous", "seal"] = Field(
        description="What became of the entry; `previous`: the seal does not follow that of the closed month before; "
        "`seal`: every entry is as it was, the seal is not."
    )
    entry: str | None = Field(description="The entry, removed ones too.", examples=["entry_01kagdwa5ye0h8m9c6j7t5a3xq"])
    day: date | None = Field(description="The day (UTC) on which it counts, or did.")


class Verdict(BaseModel):
    """Whether a closed month is what it was when it was closed."""

    object: Literal["period_verification"] = "period_verification"
    month: str = Field(examples=["2026-10"])
    revision: int
    intact: bool
    entries: int = Field(description="How many there are now.")
    head: str = Field(description="The head of the chain as computed now; hexadecimal.")
    difference: SealDifference | None
