"""Asking for a job again: what was asked for, and what is to be different."""

from typing import Any, Final

from pydantic import ConfigDict, Field

from service.jobs import rules
from service.jobs.models import Job
from service.jobs.schemas.methods import SupervisedHyperparameters
from service.jobs.schemas.requests import JobRequest
from service.jobs.schemas.views import JobView
from service.kit.bodies import Body

_MEASURED_ON: Final = frozenset({"validation_dataset", "split"})


class CloneRequest(JobRequest):
    """What is to be different: any field of a job's request. One that is given replaces the old one's whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "gpt-4.1-mini-2025-04-14", "suffix": "mini"}]})
    model: str | None = Field(None, min_length=1, max_length=256)  # type: ignore[assignment]  # nothing has to be given
    dataset: str | None = None  # type: ignore[assignment]

    def applied_to(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The request with these changes. Other data are all other: they may hold what was measured on.

        A hyperparameter given by its old name takes the place of the old one's alone.
        """
        given = self.model_dump(exclude_unset=True, by_alias=True)
        named = {**(given.get("hyperparameters") or {}), **given}
        anew = {name for name in SupervisedHyperparameters.model_fields if named.get(name) is not None}
        kept = {name: value for name, value in asked["method"]["hyperparameters"].items() if name not in anew}
        asked = {**asked, "method": {**asked["method"], "hyperparameters": kept}}
        if given.keys() & {"dataset", *_MEASURED_ON}:
            asked = {name: value for name, value in asked.items() if name not in _MEASURED_ON}
        return {**asked, **given}


class MoveRequest(Body):
    """Where a job is to go."""

    connection: str = Field(description="Id of the connection.", examples=["conn_01m7w6kt9eepp87nc93bk07v4n"])


def asked_for(job: Job) -> dict[str, Any]:
    """The request that brings this job again, as it is shown: with the epochs that were chosen for it.

    A seed is asked for only where it was: one made of the job's id is what keeps two jobs apart at the provider.
    """
    shown = JobView.of(job).model_dump(by_alias=True)
    names = {field.alias or name for name, field in JobRequest.model_fields.items()}
    asked = {name: shown[name] for name in names & shown.keys() if shown[name] is not None}
    asked["model"] = job.start_from or job.base_model
    if job.seed == rules.seed_of(job.id):
        del asked["seed"]
    return asked
