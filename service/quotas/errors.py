"""What a caller can do when money is not to be had, or a limit stands in the way."""

from service.kit.errors import Forbidden, LimitReached


class BudgetExceeded(LimitReached):
    """This needs {asked} {currency}, but {left} are left of {limit}: {spent} are spent, {held} held for jobs under way.

    The budget resets at {resets_at}; an operator can raise it before.
    """

    code = "budget_exceeded"
    status = 403


class NoBudget(BudgetExceeded):
    """This needs {asked} {currency}, but the team has no budget, so nothing may be spent: an operator must set one."""


class NotAllowed(Forbidden):
    """A limit of the team forbids this."""


class ModelNotAllowed(NotAllowed):
    """Team {team} may not train {asked}: its limit {limit} names {allowed}.

    An operator can allow it, with PUT /v1/teams/{team}/limits.
    """

    code = "model_not_allowed"


class TrainingMethodNotAllowed(NotAllowed):
    """Team {team} may not train by {asked}: its limit {limit} names {allowed}.

    An operator can allow it, with PUT /v1/teams/{team}/limits.
    """

    code = "training_method_not_allowed"


class JobsDenied(NotAllowed):
    """Team {team} may not submit jobs: its limit {limit} is {value}.

    An operator can raise it, with PUT /v1/teams/{team}/limits.
    """

    code = "jobs_denied"


class StorageLimitReached(LimitReached):
    """This needs {asked} bytes, and team {team} has stored {used} bytes already: its limit {limit} is {value}.

    Delete datasets you no longer need, or have an operator raise it, with PUT /v1/teams/{team}/limits.
    """

    code = "storage_limit_reached"
    status = 403


class JobsPerDayReached(LimitReached):
    """Team {team} has submitted {used} jobs today, and its limit {limit} is {value}. It counts afresh from {resets_at}.

    An operator can raise it before, with PUT /v1/teams/{team}/limits.
    """

    code = "jobs_per_day_reached"
