"""Costs apply prices, own the ledger and are the only domain that changes what a team has spent.

Invariants: an entry names the account it debits and the one it credits, so the ledger balances by construction; entries
are only ever added, by privilege and by trigger; no bill of a provider is booked twice, in whatever team; an entry's
amount is its quantity at its unit price, both written on it; a report's total is the sum of its rows. What a tuned
model was used for is booked once, by the difference to what is booked, and on nobody where no owner is known.
"""

from service.costs import focus, reports
from service.costs.adjusting import Adjustment, adjust, owner_of
from service.costs.commands import charge_training, release
from service.costs.errors import (
    AlreadyBooked,
    BadChargeDay,
    BadPeriod,
    EarlierPeriodOpen,
    LaterPeriodClosed,
    PeriodIsOpen,
    PeriodNotOver,
    UnknownEntry,
    UnknownGroup,
)
from service.costs.metering.commands import own_model
from service.costs.metering.commands import remove_owner as remove_usage_owner
from service.costs.metering.commands import set_owner as set_usage_owner
from service.costs.metering.queries import UsageFilter, list_usage, readings
from service.costs.metering.queries import list_owners as list_usage_owners
from service.costs.metering.schemas import ReadingView, UsageOwnerSet, UsageOwnerView, UsagePage, UsageState
from service.costs.periods import close as close_period
from service.costs.periods import list_periods
from service.costs.periods import reopen as reopen_period
from service.costs.periods import show as show_period
from service.costs.reconciling.queries import DayFilter
from service.costs.reconciling.queries import list_days as list_reconciliations
from service.costs.reconciling.queries import show_day as show_reconciliation
from service.costs.reconciling.rules import DayState
from service.costs.reconciling.schemas import AdjustRequest, ReconciliationDetail, ReconciliationPage
from service.costs.reconciling.settling import book as book_settlement
from service.costs.reconciling.settling import claim as claim_settlements
from service.costs.reconciling.settling import record as record_settlement
from service.costs.rollup import Difference, booked_through, differences, fold, rebuild
from service.costs.rules import GROUPS, Period, groups, period, quote
from service.costs.schemas import (
    AdjustmentRequest,
    AdjustmentView,
    PeriodView,
    Reopen,
    SealDifference,
    Verdict,
)
from service.costs.sealing import closed_periods, seal_closed
from service.costs.sealing import verify as verify_period

__all__ = [
    "GROUPS", "AdjustRequest", "Adjustment", "AdjustmentRequest", "AdjustmentView", "AlreadyBooked", "BadChargeDay",
    "BadPeriod", "DayFilter", "DayState", "Difference", "EarlierPeriodOpen", "LaterPeriodClosed", "Period",
    "PeriodIsOpen", "PeriodNotOver", "PeriodView", "ReadingView", "ReconciliationDetail", "ReconciliationPage",
    "Reopen", "SealDifference", "UnknownEntry", "UnknownGroup", "UsageFilter", "UsageOwnerSet", "UsageOwnerView",
    "UsagePage", "UsageState", "Verdict", "adjust", "book_settlement", "booked_through", "charge_training",
    "claim_settlements", "close_period", "closed_periods", "differences", "focus", "fold", "groups", "list_periods",
    "list_reconciliations", "list_usage", "list_usage_owners", "own_model", "owner_of", "period", "quote", "readings",
    "rebuild", "record_settlement", "release", "remove_usage_owner", "reopen_period", "reports", "seal_closed",
    "set_usage_owner", "show_period", "show_reconciliation", "verify_period",
]  # fmt: skip
