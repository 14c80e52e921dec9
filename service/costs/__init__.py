"""Costs apply prices, own the ledger and are the only domain that changes what a team has spent.

Invariants: an entry names the account it debits and the one it credits, so the ledger balances by construction; entries
are only ever added, by privilege and by trigger; no bill of a provider is booked twice, in whatever team; an entry's
amount is its quantity at its unit price, both written on it; a report's total is the sum of its rows.
"""

from service.costs.adjusting import Adjustment, adjust, owner_of
from service.costs.commands import charge_training, release
from service.costs.errors import AlreadyBooked, BadChargeDay, BadPeriod, UnknownEntry, UnknownGroup
from service.costs.exports import as_csv
from service.costs.queries import report
from service.costs.rollup import Difference, booked_through, differences, fold, rebuild
from service.costs.rules import GROUPS, Period, groups, period, quote
from service.costs.schemas import AdjustmentRequest, AdjustmentView, CostReport

__all__ = [
    "GROUPS", "Adjustment", "AdjustmentRequest", "AdjustmentView", "AlreadyBooked", "BadChargeDay", "BadPeriod",
    "CostReport", "Difference", "Period", "UnknownEntry", "UnknownGroup", "adjust", "as_csv", "booked_through",
    "charge_training", "differences", "fold", "groups", "owner_of", "period", "quote", "rebuild", "release", "report",
]  # fmt: skip
