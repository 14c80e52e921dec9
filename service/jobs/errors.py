"""What can stand in the way of a job, told so that a caller knows what to do."""

from service.kit.errors import Conflict, Invalid, NotFound


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


class JobIsOver(Conflict):
    """Job {job} has ended as {state} and cannot be cancelled any more."""

    code = "job_is_over"


class OptionUnsupported(Invalid):
    """{field} must be {allowed} for {model}; {given!r} was given."""

    code = "unsupported_value"
