"""What can stand in the way of a job, told so that a caller knows what to do."""

from service.kit.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound


class UnknownJob(NotFound):
    """There is no job {job!r}."""

    code = "job_not_found"


class DatasetNotReady(Conflict):
    """Dataset {dataset} is still being checked. Ask GET /v1/datasets/{dataset} until it is ready, then submit again."""

    code = "dataset_not_ready"


class DatasetUnusable(Invalid):
    """Dataset {dataset} has errors that a provider would refuse.

    Its report names each line: GET /v1/datasets/{dataset}/report.
    """

    code = "dataset_invalid"


class LegacyConflict(Invalid):
    """{name} is given twice and differently, {first} and {second}: give it once, in method.hyperparameters."""

    code = "conflicting_values"


class UnusableSuffix(Invalid):
    """A suffix is made of a-z, 0-9 and '-', and nothing of {given!r} is left of that."""

    code = "invalid_suffix"


class UnknownTunedModel(NotFound):
    """Neither a job of yours nor your registry knows the tuned model {model!r}."""

    code = "tuned_model_not_found"


class TunedModelElsewhere(Conflict):
    """{model} lies at another provider account than {connection}, where your jobs run: train it on there."""

    code = "tuned_model_elsewhere"


class FormatUnsuitable(Invalid):
    """{method} fine-tuning of {model} needs {needed}, but dataset {dataset} holds {found}."""

    code = "dataset_format_unsuitable"


class TooManyItems(Invalid):
    """Dataset {dataset} has {examples} items; reinforcement takes at most {most} to {purpose} on."""

    code = "too_many_items"


class ValidationRequired(Invalid):
    """Reinforcement needs items to evaluate on: name a validation_dataset, or a split."""

    code = "validation_required"


class MaxCostRequired(Invalid):
    """{model} is paid by the hour, and nobody knows how many it takes: name budget.max_cost, which is then reserved."""

    code = "max_cost_required"


class MaxCostExceeded(LimitReached):
    """This job may cost {asked} {currency}, more than its own budget.max_cost of {max_cost}."""

    code = "max_cost_exceeded"
    status = 403


class JobIsOver(Conflict):
    """Job {job} has ended as {state}: it cannot be cancelled, paused or resumed any more."""

    code = "job_is_over"


class NotMovable(Conflict):
    """Job {job} cannot be moved to another connection: {why}."""

    code = "job_not_movable"


class ConnectionNotYours(Forbidden):
    """Your team may move its jobs to the connection chosen for it or to the default. An operator may use any."""

    code = "connection_not_allowed"


class JobNotOver(Conflict):
    """Job {job} is {state}. Only one that failed or was cancelled can be retried; clone it to have a second one."""

    code = "job_not_over"


class NothingToRetry(Conflict):
    """Job {job} has succeeded. Clone it to train once more."""

    code = "job_has_succeeded"


class NotRepeatable(Invalid):
    """The request of job {job} is not valid any more, or not with these changes: {why}."""

    code = "job_not_repeatable"


class OptionUnsupported(Invalid):
    """{field} must be {allowed} for {model}; {given} was given."""

    code = "unsupported_value"


class NoAttentionAsked(Conflict):
    """Job {job} does not wait for a person: workers are at it. Cancel it if it is to end."""

    code = "no_attention_asked"


class UnknownStray(NotFound):
    """The janitor has met no job {job!r}. GET /v1/strays lists those it has."""

    code = "stray_not_found"


class NotAwaitingApproval(Conflict):
    """Job {job} waits for nobody's approval: it is {state}."""

    code = "not_awaiting_approval"


class OwnRequest(Forbidden):
    """You submitted job {job} yourself, so somebody else has to decide about it: a team's admin, or an operator."""

    code = "own_request"


class AlreadyDecided(Conflict):
    """Job {job} was {decision} by {by} at {at}, and that stands."""

    code = "already_decided"


class ApprovalExpired(Conflict):
    """The time to decide about job {job} ended at {expires_at}. It can be submitted again."""

    code = "approval_expired"


class NotAtProvider(Conflict):
    """Job {job} is {state}, so there is nothing to {wish}: only a job that is with the provider can be."""

    code = "job_not_at_provider"


class ResultsNotReady(NotFound):
    """The results of job {job} are not there yet: they are fetched soon after its end; it is {state}."""

    code = "results_not_ready"


class NoResults(NotFound):
    """Job {job} has no table of results: the provider gave none that could be read."""

    code = "no_results"


class CheckpointNotFound(NotFound):
    """Job {job} has no checkpoint at step {step}. GET /v1/jobs/{job}/checkpoints lists those it has."""

    code = "checkpoint_not_found"


class JobHasNoModel(Conflict):
    """Job {job} has no finished model: it is {state}."""

    code = "job_has_no_model"
