"""The names of 2023 and before, put where they belong now. Pure."""

from typing import Any, Final

from service.jobs.errors import LegacyConflict
from service.jobs.schemas import JobRequest, JobWarning

_NAMES: Final = ("n_epochs", "batch_size", "learning_rate_multiplier")


def modernised(request: JobRequest) -> tuple[JobRequest, list[JobWarning]]:
    """The same request by today's names alone, and a warning for each old one. Raises LegacyConflict."""
    named = [(name, place) for name in _NAMES for place in _legacy_places(request, name)]
    warnings = [_warning(place, f"method.hyperparameters.{name}") for name, place in named]
    chosen = {name: value for name, _ in named if (value := _agreed(request, name)) is not None}
    changes: dict[str, Any] = dict.fromkeys((*_NAMES, "hyperparameters", "compute_classification_metrics"))
    if chosen:
        hyperparameters = request.method.hyperparameters.model_copy(update=chosen)
        changes["method"] = request.method.model_copy(update={"hyperparameters": hyperparameters})
    if request.compute_classification_metrics is not None:
        warnings.append(_warning("#/compute_classification_metrics", "classify"))
        changes["classify"] = request.classify or request.compute_classification_metrics
    return request.model_copy(update=changes), warnings


def place(request: JobRequest, name: str) -> str:
    """Where in a request, as it was sent, a hyperparameter stands."""
    return next(iter(_legacy_places(request, name)), f"#/method/hyperparameters/{name}")


def _legacy_places(request: JobRequest, name: str) -> list[str]:
    places = [] if getattr(request, name, None) is None else [f"#/{name}"]
    if name in _NAMES and request.hyperparameters is not None and getattr(request.hyperparameters, name) is not None:
        places.append(f"#/hyperparameters/{name}")
    return places


def _agreed(request: JobRequest, name: str) -> Any:
    """The one value that a hyperparameter is given, in however many places."""
    given = {
        f"#/method/hyperparameters/{name}": getattr(request.method.hyperparameters, name),
        f"#/hyperparameters/{name}": getattr(request.hyperparameters, name, None),
        f"#/{name}": getattr(request, name),
    }
    said = {where: value for where, value in given.items() if value is not None}
    (_, first), *others = said.items()
    for where, value in others:
        if value != first:
            raise LegacyConflict(name=name, first=str(first), second=str(value), pointer=where)
    return first


def _warning(pointer: str, modern: str) -> JobWarning:
    old = pointer.removeprefix("#/").replace("/", ".")
    return JobWarning(
        code="legacy_name", message=f"`{old}` is an old name: it was taken as `{modern}`.", pointer=pointer
    )
