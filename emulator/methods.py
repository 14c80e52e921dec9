"""How a job trains: supervised, dpo or reinforcement, with the hyperparameters each has (§1.6)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emulator import graders
from emulator.errors import invalid

SUPERVISED, DPO, REINFORCEMENT = "supervised", "dpo", "reinforcement"
KINDS = (SUPERVISED, DPO, REINFORCEMENT)
EFFORTS = ("default", "low", "medium", "high")


@dataclass(frozen=True)
class Numbers:
    """The values a hyperparameter may have besides "auto"; `whole` ones from `least`, others above it."""

    least: float
    most: float = math.inf
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.least <= value <= self.most if self.whole else self.least < value <= self.most

    def __str__(self) -> str:
        kind, bound = ("an integer", "from") if self.whole else ("a number", "above")
        return f"{kind} {bound} {self.least:g}" + ("" if self.most == math.inf else f" to {self.most:g}")


SHARED = {
    "n_epochs": Numbers(1, 50, whole=True),
    "batch_size": Numbers(1, 256, whole=True),
    "learning_rate_multiplier": Numbers(0),
}
HYPERPARAMETERS = {
    SUPERVISED: SHARED,
    DPO: {**SHARED, "beta": Numbers(0, 2)},
    REINFORCEMENT: {
        **SHARED,
        "compute_multiplier": Numbers(1e-5, 10),
        "eval_interval": Numbers(1, whole=True),
        "eval_samples": Numbers(1, whole=True),
    },
}


@dataclass(frozen=True)
class Method:
    """What was asked for, checked. `given` are the hyperparameters that are not "auto"; grader and format are JSON."""

    kind: str = SUPERVISED
    given: tuple[tuple[str, Any], ...] = ()
    reasoning_effort: str = "default"
    grader_json: str | None = None
    response_format_json: str | None = None

    def asked(self, name: str) -> Any:
        """The value asked for; None is "auto"."""
        return dict(self.given).get(name)

    @cached_property
    def grader(self) -> dict[str, Any]:
        """The grader of a reinforcement job."""
        grader: dict[str, Any] = json.loads(self.grader_json or "{}")
        return grader

    def hyperparameters_view(self, decided: dict[str, Any]) -> dict[str, Any]:
        """All hyperparameters of the kind: as decided, else as asked for, else "auto"."""
        shown = {name: decided.get(name, self.asked(name) or "auto") for name in HYPERPARAMETERS[self.kind]}
        return {**shown, "reasoning_effort": self.reasoning_effort} if self.kind == REINFORCEMENT else shown

    def view(self, decided: dict[str, Any]) -> dict[str, Any]:
        """The `method` of a job."""
        about: dict[str, Any] = {"hyperparameters": self.hyperparameters_view(decided)}
        if self.grader_json:
            about["grader"] = self.grader
        if self.response_format_json:
            about["response_format"] = json.loads(self.response_format_json)
        return {"type": self.kind, self.kind: about}


def parse(body: dict[str, Any]) -> Method:
    """The method in the body of a job, or the older top-level `hyperparameters`; raises a 400 that names the field."""
    method = body.get("method")
    if method is None:
        return Method(given=_given(SUPERVISED, body.get("hyperparameters"), "hyperparameters"))
    kind = method.get("type") if isinstance(method, dict) else None
    if kind not in KINDS:
        raise invalid(f"'method.type' must be one of {', '.join(KINDS)}.", param="method.type")
    about, where = method.get(kind) or {}, f"method.{kind}"
    if not isinstance(about, dict):
        raise invalid(f"'{where}' must be an object.", param=where)
    if kind == SUPERVISED and about.get("hyperparameters") is None:
        return Method(given=_given(SUPERVISED, body.get("hyperparameters"), "hyperparameters"))
    given = _given(kind, about.get("hyperparameters"), f"{where}.hyperparameters")
    return _with_grader(about, given) if kind == REINFORCEMENT else Method(kind, given)


def _given(kind: str, hyperparameters: Any, where: str) -> tuple[tuple[str, Any], ...]:
    if hyperparameters is None:
        return ()
    if not isinstance(hyperparameters, dict):
        raise invalid(f"'{where}' must be an object.", param=where)
    given = {
        name: hyperparameters[name]
        for name in HYPERPARAMETERS[kind]
        if hyperparameters.get(name) is not None and hyperparameters[name] != "auto"
    }
    for name, value in given.items():
        allowed = HYPERPARAMETERS[kind][name]
        if value not in allowed:
            raise invalid(f"'{where}.{name}' must be 'auto' or {allowed}.", param=f"{where}.{name}")
    return tuple(given.items())


def _with_grader(about: dict[str, Any], given: tuple[tuple[str, Any], ...]) -> Method:
    where = "method.reinforcement"
    grader = graders.check(about.get("grader"), f"{where}.grader")
    graders.check_runnable(grader, f"{where}.grader")
    effort = (about.get("hyperparameters") or {}).get("reasoning_effort") or "default"
    if effort not in EFFORTS:
        param = f"{where}.hyperparameters.reasoning_effort"
        raise invalid(f"'{param}' must be one of {', '.join(EFFORTS)}.", param=param)
    answers = about.get("response_format")
    if not (answers is None or (isinstance(answers, dict) and answers.get("type") == "json_schema")):
        raise invalid(f"'{where}.response_format' must be of type json_schema.", param=f"{where}.response_format")
    return Method(REINFORCEMENT, given, effort, json.dumps(grader), json.dumps(answers) if answers else None)
