"""What a caller can do when money is not to be had, or a limit stands in the way."""

from service.kit.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound


class BudgetExceeded(LimitReached):
    """This needs {asked} {currency}, but {left} are left of {limit}: {spent} are spent, {held} held for jobs under way.

    The budget resets at {resets_at}. Ask for more with POST /v1/budget-requests.
    """

    code = "budget_exceeded"
    status = 403


class NoBudget(BudgetExceeded):
    """This needs {asked} {currency}, but the team has no budget, so nothing may be spent.

    Ask for one with POST /v1/budget-requests; an operator can set a lasting one.
    """


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


class TrainingTokensReached(LimitReached):
    """This would train on {asked} tokens, but {used} of {value} were used this month, and {held} are held.

    That is its limit {limit}, which counts afresh from {resets_at}. An operator can raise it before, with
    PUT /v1/teams/{team}/limits.
    """

    code = "training_tokens_reached"
    status = 403


class JobsPerDayReached(LimitReached):
    """Team {team} has submitted {used} jobs today, and its limit {limit} is {value}. It counts afresh from {resets_at}.

    An operator can raise it before, with PUT /v1/teams/{team}/limits.
    """

    code = "jobs_per_day_reached"


class BudgetRequestNotFound(NotFound):
    """There is no budget request {request!r}."""

    code = "budget_request_not_found"


class BudgetRequestDecided(Conflict):
    """The budget request {request} is {state}; make another one."""

    code = "budget_request_decided"


class BudgetRequestExpired(Conflict):
    """Nobody decided about the budget request {request} until {expired_at}; make another one."""

    code = "budget_request_expired"


class GrantOutsideMonth(Invalid):
    """A grant is for the team's present month: it expires after now and at the latest at {ends_at}."""

    code = "grant_outside_month"


class BudgetIsUnlimited(Conflict):
    """The budget of team {team} is unlimited this month, so there is nothing to add to it."""

    code = "budget_unlimited"
