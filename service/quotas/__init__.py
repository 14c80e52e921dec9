"""Quotas own what a team may do and spend: limits, a monthly budget, and what is held of it for jobs under way.

They take amounts and know no prices.

Invariants, for each team and month: `reserved` is the sum of held reservations and `spent` the sum of ledger entries,
in money and in tokens; nothing is granted beyond what is left, however many ask at once; without a budget nothing may
be spent. A month's limit is its own, what was left of the month before, and what was granted on request; what is
carried on leaves the month it comes from, and what was granted is gone when it expires. A threshold is told once.
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
    settle,
)
from service.quotas.errors import (
    BudgetExceeded,
    BudgetIsUnlimited,
    BudgetRequestDecided,
    BudgetRequestExpired,
    BudgetRequestNotFound,
    GrantOutsideMonth,
    JobsDenied,
    JobsPerDayReached,
    ModelNotAllowed,
    NotAllowed,
    StorageLimitReached,
    TrainingMethodNotAllowed,
    TrainingTokensReached,
)
from service.quotas.months import take_back_grants
from service.quotas.overview import quota
from service.quotas.queries import (
    HeldJob,
    budget,
    check_job,
    check_storage,
    held_for,
    held_in,
    held_jobs,
    limits,
    platform_budget,
    rates,
    shares,
    show_limits,
    show_platform_limits,
)
from service.quotas.requests import (
    approve_budget,
    ask_for_budget,
    budget_request,
    budget_requests,
    decline_budget,
    withdraw_budget,
)
from service.quotas.rules import DEFAULT_RATES, Limits, Rates, Settlement, Share, begins_at, month_of, next_month
from service.quotas.schemas import (
    BudgetAsk,
    BudgetDecline,
    BudgetGrant,
    BudgetRequestView,
    BudgetSet,
    BudgetView,
    LimitsSet,
    LimitsView,
    PlatformBudgetView,
    QuotaView,
    RequestState,
)
from service.quotas.setting import set_budget, set_platform_budget, set_platform_limits, set_team_limits

__all__ = [
    "DEFAULT_RATES", "BudgetAsk", "BudgetDecline", "BudgetExceeded", "BudgetGrant", "BudgetIsUnlimited",
    "BudgetRequestDecided", "BudgetRequestExpired", "BudgetRequestNotFound", "BudgetRequestView", "BudgetSet",
    "BudgetView", "GrantOutsideMonth", "HeldJob", "JobsDenied", "JobsPerDayReached", "Limits", "LimitsSet",
    "LimitsView", "ModelNotAllowed", "NotAllowed", "PlatformBudgetView", "QuotaView", "Rates", "RequestState",
    "Settlement", "Share", "StorageLimitReached", "TrainingMethodNotAllowed", "TrainingTokensReached", "adjust",
    "approve_budget", "ask_for_budget", "begins_at", "budget", "budget_request", "budget_requests", "change",
    "check_job", "check_storage", "count_job", "decline_budget", "held_for", "held_in", "held_jobs", "limits", "lock",
    "lock_storage", "month_of", "next_month", "open_month", "platform_budget", "quota", "rates", "release", "reserve",
    "set_budget", "set_platform_budget", "set_platform_limits", "set_team_limits", "settle", "shares", "show_limits",
    "show_platform_limits", "take_back_grants", "withdraw_budget",
]  # fmt: skip
