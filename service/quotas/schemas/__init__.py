"""Shapes of budgets, limits and requests, as users see and send them."""

from service.quotas.schemas.budgets import BudgetSet, BudgetView, PlatformBudgetView
from service.quotas.schemas.limits import LimitsSet, LimitsView
from service.quotas.schemas.quota import QuotaLine, QuotaView
from service.quotas.schemas.requests import (
    BudgetAsk,
    BudgetDecline,
    BudgetGrant,
    BudgetRequestView,
    GrantView,
    RequestState,
)

__all__ = [
    "BudgetAsk", "BudgetDecline", "BudgetGrant", "BudgetRequestView", "BudgetSet", "BudgetView", "GrantView",
    "LimitsSet", "LimitsView", "PlatformBudgetView", "QuotaLine", "QuotaView", "RequestState",
]  # fmt: skip
