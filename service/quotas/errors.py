"""What a caller can do when money is not to be had."""

from service.kit.errors import LimitReached


class BudgetExceeded(LimitReached):
    """This needs {asked} {currency}, but {left} are left of {limit}: {spent} are spent, {held} held for jobs under way.

    The budget resets at {resets_at}; an operator can raise it before.
    """

    code = "budget_exceeded"
    status = 403


class NoBudget(BudgetExceeded):
    """This needs {asked} {currency}, but the team has no budget, so nothing may be spent: an operator must set one."""
