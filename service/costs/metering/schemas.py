"""Usage, its owners and its readings as shown."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from service.costs.metering.rules import Failure, Owner
from service.kit import money
from service.kit.bodies import Body
from service.kit.pages import Page

UsageState = Literal["booked", "unpriced", "waiting"]


class UsageView(BaseModel):
    """What one key used of one tuned model on one day by one meter."""

    object: Literal["usage"] = "usage"
    id: str = Field(examples=["usage_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    day: date = Field(description="The provider's day, which is UTC.")
    connection: str
    provider: str
    project: str | None = Field(examples=["proj_abc"])
    api_key: str | None = Field(description="The provider's id of the key.", examples=["key_abc"])
    model: str = Field(examples=["ft:gpt-4.1-mini-2025-04-14:acme:support:a1b2c3d4"])
    base_model: str
    version: str | None = Field(description="The version in the registry, where it is one.")
    tier: str = Field(description="`standard`, `batch`, or the provider's word for another.")
    meter: str = Field(examples=["input_tokens"])
    quantity: int = Field(description="Tokens that the provider has told of by now.")
    booked: int = Field(description="Tokens that are in the ledger.")
    amount: money.Amount = Field(description="What they cost there.")
    requests: int = Field(description="Counted with the input only, so that they can be added up.")
    team: str | None = Field(description="Null: unallocated.")
    owner: Owner = Field(description="Why it is the team's.")
    state: UsageState = Field(description="`unpriced`: the price book has no price of that day, so nothing is booked.")
    read_at: datetime


class ReadingView(BaseModel):
    """How far an account's usage or costs have been read."""

    connection: str
    name: str
    what: str = Field(examples=["usage"])
    unavailable: Failure | None = Field(description="Why there is nothing new. Null: it is read.")
    message: str | None = Field(description="In the provider's words.")
    newest_day: date | None = Field(description="The last day the provider has told anything of: how far it lags.")
    through: date | None = Field(description="Days before this one have been asked for.")
    read_at: datetime | None = Field(description="When that last worked.")
    asked_at: datetime | None


class UsagePage(Page[UsageView]):
    """A page of usage, and how far each account has been read."""

    accounts: list[ReadingView] = Field(description="For finance and operators; a team's key is told of none.")


class UsageOwnerSet(Body):
    """Whose a key or project of the provider is."""

    team: str = Field(max_length=64, description="Slug or id of the team.", examples=["support-bot"])


class UsageOwnerView(BaseModel):
    """Whose a key or project of the provider is."""

    object: Literal["usage_owner"] = "usage_owner"
    id: str = Field(examples=["uown_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    connection: str
    kind: Owner = Field(examples=["api_key"])
    external_id: str = Field(examples=["key_abc"])
    team: str
    changed_by: str
    changed_at: datetime
