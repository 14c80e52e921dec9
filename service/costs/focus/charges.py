"""An entry of the ledger as FOCUS sees it. Pure: each attribute is a column, and names the rule it keeps to.

Sources: FOCUS Cost and Usage, and the column map of our finance reference. Decisions of ours: training is Machine
Learning, inference Generative AI; a row is an entry; what we pay is our contract's price, list prices stand beside.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from service.connections import BilledAccount
from service.kit import ids, money

if TYPE_CHECKING:
    from service.costs.models import LedgerEntry

_PLACES: Final = Decimal(1).scaleb(-18)
_HOUR: Final = 3600
_HOURLY: Final = frozenset({"training_hours", "hosting_hours"})
_INFERENCE: Final = frozenset({"input_tokens", "cached_input_tokens", "output_tokens", "hosting_hours"})
_METERS: Final = {
    "training_tokens": "Training Tokens",
    "training_hours": "Training Hours",
    "input_tokens": "Input Tokens",
    "cached_input_tokens": "Input Tokens",  # whether a token was cached is no meter (FOCUS_Spec#2099)
    "output_tokens": "Output Tokens",
    "hosting_hours": "Hosting Hours",
}
_DETAILS: Final[dict[str, dict[str, str]]] = {
    "training_tokens": {"x_TokenType": "Training"},
    "training_hours": {"x_Method": "reinforcement"},
    "input_tokens": {"x_TokenType": "Input"},
    "cached_input_tokens": {"x_TokenType": "Input", "x_CacheStatus": "CacheRead"},
    "output_tokens": {"x_TokenType": "Output"},
    "hosting_hours": {},
}
_PRICING: Final = {"standard": "Standard", "developer": "Dynamic", "spot": "Dynamic", "reserved": "Committed"}


class Vendor(NamedTuple):
    """Who provides a service, who runs the machines it is on, and who sends the invoice."""

    service: str
    host: str
    issuer: str


_VENDORS: Final = {
    "openai": Vendor("OpenAI", "OpenAI", "OpenAI"),
    "azure": Vendor("Microsoft", "Microsoft Azure", "Microsoft"),
}


def vendor(provider: str) -> Vendor:
    """Of a provider by its name in the catalog; of an unknown one that name."""
    return _VENDORS.get(provider, Vendor(provider, provider, provider))


@dataclass(frozen=True)
class Charge:
    """One row: `entry` has the columns of one of the ledger, `tier` is of the price it was reckoned with."""

    entry: "LedgerEntry"
    account: BilledAccount | None
    tier: str | None
    service_category = "AI and Machine Learning"

    @property
    def vendor(self) -> Vendor:
        return vendor(self.entry.provider)

    @property
    def is_usage(self) -> bool:
        """Measured and priced, not decided by somebody."""
        return self.entry.kind != "adjustment"

    @property
    def list_cost(self) -> Decimal:
        """ListUnitPrice × PricingQuantity; of what is priced by nobody, what is billed."""
        listed, unit = self.entry.list_unit_price, self.entry.unit_quantity
        if listed is None or not unit:
            return self.entry.amount
        with localcontext(prec=60):
            return money.amount(listed * self.entry.quantity / unit)

    @property
    def list_unit_price(self) -> Decimal | None:
        return self.entry.list_unit_price if self.entry.list_unit_price is not None else self.entry.unit_price

    @property
    def billing_account_id(self) -> str:
        """The provider's name for the account, never our key; where it was not told to us our connection's id."""
        if self.account is not None and self.account.organisation:
            return self.account.organisation
        return ids.show("conn", self.entry.connection_id) if self.entry.connection_id else self.entry.provider

    @property
    def billing_account_name(self) -> str | None:
        return self.account.name if self.account else None

    @property
    def billing_period_start(self) -> datetime:
        return _midnight(self.entry.posted_on.replace(day=1))

    @property
    def billing_period_end(self) -> datetime:
        return _midnight((self.entry.posted_on.replace(day=1) + timedelta(days=32)).replace(day=1))

    @property
    def charge_period_start(self) -> datetime:
        """The day (UTC) it was charged, also where that lies in a billing period before."""
        return _midnight(self.entry.charged_at.astimezone(UTC).date())

    @property
    def charge_period_end(self) -> datetime:
        return self.charge_period_start + timedelta(days=1)

    @property
    def charge_category(self) -> str:
        return "Usage" if self.is_usage else "Adjustment"

    @property
    def charge_class(self) -> str | None:
        """A correction of a period that was closed: only then is an entry posted in a later one than its charge."""
        return "Correction" if self.charge_period_start < self.billing_period_start else None

    @property
    def charge_frequency(self) -> str:
        return "Usage-Based" if self.is_usage else "One-Time"

    @property
    def consumed_quantity(self) -> Decimal | None:
        return Decimal(self.entry.quantity) if self.is_usage else None

    @property
    def consumed_unit(self) -> str | None:
        if not self.is_usage:
            return None
        return "Seconds" if self.entry.meter in _HOURLY else "Tokens"

    @property
    def pricing_quantity(self) -> Decimal | None:
        """How many of the price's units: exact for tokens; of hours 18 places, so that ten of price × it are right."""
        if not self.is_usage or not self.entry.unit_quantity:
            return None
        with localcontext(prec=60):
            return (self.entry.quantity / self.entry.unit_quantity).quantize(_PLACES, rounding=ROUND_HALF_EVEN)

    @property
    def pricing_unit(self) -> str | None:
        if not self.is_usage or not self.entry.unit_quantity:
            return None
        is_hourly = self.entry.meter in _HOURLY
        many = self.entry.unit_quantity / _HOUR if is_hourly else self.entry.unit_quantity
        return ("" if many == 1 else f"{many.normalize():f} ") + ("Hours" if is_hourly else "Tokens")

    @property
    def pricing_category(self) -> str | None:
        return None if self.tier is None else _PRICING.get(self.tier, "Other")

    @property
    def is_inference(self) -> bool:
        """Also where it corrects inference."""
        return self.entry.meter in _INFERENCE

    @property
    def service_subcategory(self) -> str:
        return "Generative AI" if self.is_inference else "Machine Learning"

    @property
    def service_name(self) -> str:
        return f"{self.vendor.service} {'Fine-tuned Inference' if self.is_inference else 'Fine-tuning'}"

    @property
    def sku_id(self) -> str | None:
        """Stable for model, direction and cache state, whatever the price or the tier is."""
        if not self.is_usage:
            return None
        return f"{self.entry.provider}/{self.entry.base_model}/{self.entry.meter}"

    @property
    def sku_price_id(self) -> str | None:
        return ids.show("price", self.entry.price_id) if self.is_usage and self.entry.price_id else None

    @property
    def sku_meter(self) -> str | None:
        return _METERS.get(self.entry.meter) if self.is_usage else None

    @property
    def sku_price_details(self) -> str | None:
        if self.sku_price_id is None:
            return None
        tier = {"x_Tier": self.tier} if self.tier not in (None, "standard") else {}
        return _json({**_DETAILS.get(self.entry.meter, {}), "x_ModelId": self.entry.base_model, **tier})

    @property
    def resource_id(self) -> str | None:
        if self.entry.job_id is not None:
            return ids.show("job", self.entry.job_id)
        if not self.is_inference:
            return None
        return self.x_model_version_id or self.entry.model

    @property
    def resource_name(self) -> str | None:
        """What the provider calls the model. A job has no name but its id, and a name is never that again."""
        is_version = self.entry.job_id is None and self.is_inference and self.entry.version_id is not None
        return self.entry.model if is_version else None

    @property
    def resource_type(self) -> str | None:
        if self.entry.job_id is not None:
            return "Fine-Tuning Job"
        return "Fine-Tuned Model" if self.resource_id is not None else None

    @property
    def sub_account_id(self) -> str | None:
        """The team; none where the charge is unallocated."""
        return _shown("team", self.entry.team_id)

    @property
    def sub_account_type(self) -> str | None:
        return "Team" if self.entry.team_id else None

    @property
    def tags(self) -> str | None:
        """As of the charge."""
        owner = {
            "cost_center": self.entry.cost_center, "product": self.entry.product, "env": self.entry.environment,
        }  # fmt: skip
        return _json({name: value for name, value in owner.items() if value})

    @property
    def x_ledger_entry_id(self) -> str:
        return ids.show("entry", self.entry.id)

    @property
    def x_corrected_entry_id(self) -> str | None:
        return _shown("entry", self.entry.corrects)

    @property
    def x_job_id(self) -> str | None:
        return _shown("job", self.entry.job_id)

    @property
    def x_model_version_id(self) -> str | None:
        return _shown("mver", self.entry.version_id)

    @property
    def x_estimated_cost(self) -> Decimal | None:
        """What had been held for it; null where nothing is ever held."""
        return self.entry.estimated or None

    @property
    def x_reconciliation_status(self) -> str:
        if not self.is_usage:
            return "Adjusted"
        return "Accrued" if self.entry.accrued else "Settled"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _shown(prefix: str, value: UUID | None) -> str | None:
    return None if value is None else ids.show(prefix, value)


def _json(facts: dict[str, Any]) -> str | None:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True) if facts else None
