"""The columns of FOCUS: what each is, since which version, and how an entry of the ledger fills it.

The order is that of the specification's column map, our own `x_` columns last (ColumnHandling). What is conditional and
never applies to us (commitments, capacity, allocation, pricing in another currency) is left out, as the specification
has it. Levels: M mandatory, C conditional, R recommended, X our own.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

from service.costs.focus.charges import Charge
from service.kit.tables import Column
from service.kit.tables.columns import Kind

Level = Literal["M", "C", "R", "X"]
Version = Literal["1.2", "1.3", "1.4"]
VERSIONS: Final[tuple[Version, ...]] = ("1.2", "1.3", "1.4")
LATEST: Final[Version] = "1.4"
_DATA_TYPES: Final[dict[Kind, str]] = {
    "text": "STRING", "money": "DECIMAL", "decimal": "DECIMAL", "integer": "INTEGER", "instant": "DATETIME",
}  # fmt: skip
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS: Final[dict[Kind, tuple[int, int]]] = {"money": (20, 10), "decimal": (38, 18)}


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """A column: `allowed` are the values of an enumeration, `is_json` means a flat object written as text."""

    name: str
    kind: Kind
    level: Level
    value: Callable[[Charge], Any]
    is_nullable: bool = False
    allowed: tuple[str, ...] | None = None
    is_json: bool = False
    since: Version = "1.2"
    until: Version = LATEST

    @property
    def column(self) -> Column:
        """What the writers need of it."""
        return Column(self.name, self.kind)

    def definition(self) -> dict[str, Any]:
        """Its ColumnDefinition in the metadata."""
        told: dict[str, Any] = {"ColumnName": self.name, "DataType": "JSON" if self.is_json else _DATA_TYPES[self.kind]}
        if self.kind in _DIGITS:
            told["NumericPrecision"], told["NumberScale"] = _DIGITS[self.kind]
        if self.kind == "text":
            told["StringEncoding"] = "UTF-8"
        if self.name == "Tags":
            told["ProviderTagPrefixes"] = []  # all of them are the customer's own
        return told


def _f(name: str, kind: Kind, level: Level, of: str | None = "", **more: Any) -> FocusColumn:
    """A column that is the attribute `of` a charge; without one, that of its own name. None: always null."""
    if of is None:
        return FocusColumn(name, kind, level, lambda _: None, **more)
    own = _CAPITAL.sub("_", name).lower()
    return FocusColumn(name, kind, level, attrgetter(of or own), **more)


_CATEGORIES: Final = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
_PRICING: Final = ("Standard", "Dynamic", "Committed", "Other")
_N: Final[dict[str, Any]] = {"is_nullable": True}
_OLD: Final[dict[str, Any]] = {"until": "1.3"}  # deprecated in 1.3, gone in 1.4

COST_AND_USAGE: Final = (
    _f("BilledCost", "money", "M", "entry.amount"),
    _f("EffectiveCost", "money", "M", "entry.amount"),
    _f("ListCost", "money", "M"),
    _f("ListUnitPrice", "money", "C", **_N),
    _f("ContractedCost", "money", "M", "entry.amount"),
    _f("ContractedUnitPrice", "money", "C", "entry.unit_price", **_N),
    _f("BillingAccountId", "text", "M"),
    _f("BillingAccountName", "text", "M", **_N),
    _f("BillingCurrency", "text", "M", "entry.currency"),
    _f("BillingPeriodStart", "instant", "M"),
    _f("BillingPeriodEnd", "instant", "M"),
    _f("ChargePeriodStart", "instant", "M"),
    _f("ChargePeriodEnd", "instant", "M"),
    _f("ChargeCategory", "text", "M", allowed=_CATEGORIES),
    _f("ChargeClass", "text", "M", allowed=("Correction",), **_N),
    _f("ChargeDescription", "text", "M", "entry.description", **_N),
    _f("ChargeFrequency", "text", "R", allowed=("One-Time", "Recurring", "Usage-Based")),
    _f("ConsumedQuantity", "decimal", "C", **_N),
    _f("ConsumedUnit", "text", "C", **_N),
    _f("PricingQuantity", "decimal", "M", **_N),
    _f("PricingUnit", "text", "M", **_N),
    _f("PricingCategory", "text", "C", allowed=_PRICING, **_N),
    _f("ProviderName", "text", "M", "vendor.service", **_OLD),
    _f("PublisherName", "text", "M", "vendor.service", **_OLD),
    _f("ServiceProviderName", "text", "M", "vendor.service", since="1.3"),
    _f("HostProviderName", "text", "M", "vendor.host", since="1.3"),
    _f("InvoiceIssuerName", "text", "M", "vendor.issuer"),
    _f("InvoiceId", "text", "C", None, **_N),
    _f("InvoiceDetailId", "text", "C", None, since="1.4", **_N),
    _f("ServiceCategory", "text", "M", allowed=("AI and Machine Learning",)),
    _f("ServiceSubcategory", "text", "R", allowed=("Machine Learning", "Generative AI")),
    _f("ServiceName", "text", "M"),
    _f("SkuId", "text", "C", **_N),
    _f("SkuPriceId", "text", "C", **_N),
    _f("SkuMeter", "text", "C", **_N),
    _f("SkuPriceDetails", "text", "C", is_json=True, **_N),
    _f("ResourceId", "text", "C", **_N),
    _f("ResourceName", "text", "C", **_N),
    _f("ResourceType", "text", "C", allowed=("Fine-Tuning Job", "Fine-Tuned Model"), **_N),
    _f("SubAccountId", "text", "C", **_N),
    _f("SubAccountName", "text", "C", "entry.team_name", **_N),
    _f("SubAccountType", "text", "C", allowed=("Team",), **_N),
    _f("RegionId", "text", "C", None, **_N),
    _f("RegionName", "text", "C", None, **_N),
    _f("Tags", "text", "C", is_json=True, **_N),
    _f("x_LedgerEntryId", "text", "X"),
    _f("x_CorrectedEntryId", "text", "X", **_N),
    _f("x_Reason", "text", "X", "entry.reason", **_N),
    _f("x_ChargedAt", "instant", "X", "entry.charged_at"),
    _f("x_JobId", "text", "X", **_N),
    _f("x_ProviderJobId", "text", "X", "entry.provider_job_id", **_N),
    _f("x_ModelVersionId", "text", "X", **_N),
    _f("x_EstimatedCost", "money", "X", **_N),
    _f("x_ReconciliationStatus", "text", "X", allowed=("Accrued", "Settled", "Adjusted")),
)


def columns(version: Version) -> tuple[FocusColumn, ...]:
    """Those of a version of the specification."""
    return tuple(one for one in COST_AND_USAGE if one.since <= version <= one.until)


BILLING_PERIOD: Final = (
    Column("BillingPeriodCreated", "instant"),
    Column("BillingPeriodStart", "instant"),
    Column("BillingPeriodEnd", "instant"),
    Column("BillingPeriodLastUpdated", "instant"),
    Column("BillingPeriodStatus", "text"),
    Column("InvoiceIssuerName", "text"),
)
"""The dataset of billing periods, new in 1.4: all mandatory, none ever null."""
