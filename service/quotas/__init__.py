"""Quotas own what a team may do and spend: limits, a monthly budget, and what is held of it for jobs under way.

They take amounts and know no prices.

Invariants, for each team and month: `reserved` is the sum of held reservations and `spent` the sum of ledger entries;
nothing is granted beyond `limit - reserved - spent`, however many ask at once; without a budget nothing may be spent.
For each team and day: no more jobs are counted than the limit allows, however many are submitted at once; and no more
bytes are stored, as long as whoever stores some takes `lock_storage` before adding up what there is. A limit is
the team's own, else the platform's, else a default of the code; zero denies, and the word `unlimited` lifts it.
"""

from service.quotas.commands import (
    adjust,
    change,
    count_job,
    lock,
    lock_storage,
    open_month,
    release,
    reserve,
    set_budget,
    set_platform_limits,
    set_team_limits,
    settle,
)
from service.quotas.errors import (
    BudgetExceeded,
    JobsDenied,
    JobsPerDayReached,
    ModelNotAllowed,
    NotAllowed,
    StorageLimitReached,
    TrainingMethodNotAllowed,
)
from service.quotas.queries import (
    budget,
    check_job,
    check_storage,
    held_in,
    limits,
    shares,
    show_limits,
    show_platform_limits,
)
from service.quotas.rules import Limits, Settlement, Share, begins_at, month_of, next_month
from service.quotas.schemas import BudgetSet, BudgetView, LimitsSet, LimitsView

__all__ = [
    "BudgetExceeded", "BudgetSet", "BudgetView", "JobsDenied", "JobsPerDayReached", "Limits", "LimitsSet", "LimitsView",
    "ModelNotAllowed", "NotAllowed", "Settlement", "Share", "StorageLimitReached", "TrainingMethodNotAllowed",
    "adjust", "begins_at", "budget", "change", "check_job", "check_storage", "count_job", "held_in", "limits", "lock",
    "lock_storage", "month_of", "next_month", "open_month", "release", "reserve", "set_budget", "set_platform_limits",
    "set_team_limits", "settle", "shares", "show_limits", "show_platform_limits",
]  # fmt: skip
