"""Quotas own a team's monthly budget and what is held of it for jobs under way. They take amounts and know no prices.

Invariants, for each team and month: `reserved` is the sum of held reservations and `spent` the sum of ledger entries;
nothing is granted beyond `limit - reserved - spent`, however many ask at once; without a budget nothing may be spent.
"""

from service.quotas.commands import lock, release, reserve, set_budget, settle
from service.quotas.errors import BudgetExceeded
from service.quotas.queries import budget, held_in
from service.quotas.rules import Settlement, begins_at, month_of, next_month
from service.quotas.schemas import BudgetSet, BudgetView

__all__ = [
    "BudgetExceeded", "BudgetSet", "BudgetView", "Settlement", "begins_at", "budget", "held_in", "lock", "month_of",
    "next_month", "release", "reserve", "set_budget", "settle",
]  # fmt: skip
