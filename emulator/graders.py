"""Graders: from an answer and the item it was asked about to a reward between 0 and 1 (§1.8).

string_check, text_similarity and multi are run; python and score_model are only checked for shape, since running
foreign code or asking a model that does not reason would prove nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator import formulas
from emulator.errors import invalid
from emulator.similarity import METRICS

VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
SOURCE_BYTES_MAX = 256 * 1024
METRICS_KNOWN = (*METRICS, "meteor", "cosine")
# The flags and details of a run (§1.8); what an emulated grader can meet is set by name.
FLAGS = (
    *("formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error"),
    *("invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error"),
    *("model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error"),
)
DETAILS = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)


@dataclass
class Grade:
    """What a grader gave: its reward, those of its parts by name, and the names of the errors it met."""

    reward: float
    parts: dict[str, float] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)

    def errors_view(self) -> dict[str, Any]:
        return {**{flag: flag in self.errors for flag in FLAGS}, **dict.fromkeys(DETAILS)}


class _Unfilled(Exception):
    """A template names something that is not there; the text is the error's name."""


def check(grader: Any, where: str = "grader") -> dict[str, Any]:
    """The grader, if it is one; else raises a 400 that names the field (`where` is the grader's own place)."""
    if not isinstance(grader, dict) or grader.get("type") not in _CHECKS:
        raise invalid(f"'{where}.type' must be one of {', '.join(_CHECKS)}.", param=f"{where}.type")
    _need(grader, where, "name")
    _CHECKS[grader["type"]](grader, where)
    return grader


def check_runnable(grader: dict[str, Any], where: str = "grader") -> None:
    """Raises a 400 for a checked grader that OpenAI would run and this emulator does not."""
    if grader["type"] in ("python", "score_model"):
        message = f"This emulator does not run graders of type '{grader['type']}': it only checks their shape."
        raise invalid(message, param=f"{where}.type", code="unsupported_value")
    if grader.get("evaluation_metric") in ("meteor", "cosine"):
        message = f"This emulator does not calculate '{grader['evaluation_metric']}'; it has {', '.join(METRICS)}."
        raise invalid(message, param=f"{where}.evaluation_metric", code="unsupported_value")
    if grader["type"] == "multi":
        for name, part in _parts(grader).items():
            check_runnable(part, f"{where}.graders.{name}")


def run(grader: dict[str, Any], sample: str, item: dict[str, Any]) -> Grade:
    """Grade one answer. What goes wrong is in the grade and worth nothing; nothing is raised."""
    if grader["type"] == "multi":
        return _run_multi(grader, sample, item)
    try:
        said, wanted = (_filled(grader[key], sample, item) for key in ("input", "reference"))
    except _Unfilled as unfilled:
        return Grade(0.0, errors={str(unfilled)})
    if grader["type"] == "text_similarity":
        return Grade(METRICS[grader["evaluation_metric"]](said, wanted))
    return Grade(float(_OPERATIONS[grader["operation"]](said, wanted)))


def _run_multi(grader: dict[str, Any], sample: str, item: dict[str, Any]) -> Grade:
    grades = {name: run(part, sample, item) for name, part in _parts(grader).items()}
    parts = {name: grade.reward for name, grade in grades.items()}
    errors = {error for grade in grades.values() for error in grade.errors}
    try:
        return Grade(formulas.calculate(grader["calculate_output"], parts), parts, errors)
    except formulas.BadFormula:
        return Grade(0.0, parts, errors | {"formula_parse_error"})


_OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda said, wanted: said == wanted,
    "ne": lambda said, wanted: said != wanted,
    "like": lambda said, wanted: wanted in said,
    "ilike": lambda said, wanted: wanted.lower() in said.lower(),
}


def _filled(template: str, sample: str, item: dict[str, Any]) -> str:
    """The template with {{item.…}} and {{sample.output_text}} or {{sample.output_json.…}} filled in."""

    def value(match: re.Match[str]) -> str:
        first, *path = match[1].split(".")
        if first == "item":
            found: Any = item
        elif first == "sample" and path == ["output_text"]:
            return sample
        elif first == "sample" and path[:1] == ["output_json"]:
            found, path = _parsed(sample), path[1:]
        else:
            raise _Unfilled("invalid_variable_error")
        for key in path:
            found = _inside(found, key)
        return found if isinstance(found, str) else json.dumps(found)

    return VARIABLE.sub(value, template)


def _inside(found: Any, key: str) -> Any:
    if isinstance(found, dict) and key in found:
        return found[key]
    if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
        return found[int(key)]
    raise _Unfilled("invalid_variable_error")


def _parsed(sample: str) -> Any:
    try:
        return json.loads(sample)
    except (ValueError, RecursionError):
        raise _Unfilled("sample_parse_error") from None


def _parts(grader: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The graders of a multi by name: the specification types one grader, the service takes them by name (§1.8)."""
    graders: dict[str, Any] = grader["graders"]
    return {graders["name"]: graders} if isinstance(graders.get("type"), str) else graders


def _need(grader: dict[str, Any], where: str, *names: str) -> None:
    for name in names:
        if not isinstance(grader.get(name), str):
            raise invalid(f"'{where}.{name}' must be a string.", param=f"{where}.{name}")


def _choice(grader: dict[str, Any], where: str, name: str, choices: tuple[str, ...]) -> None:
    if grader.get(name) not in choices:
        raise invalid(f"'{where}.{name}' must be one of {', '.join(choices)}.", param=f"{where}.{name}")


def _check_string_check(grader: dict[str, Any], where: str) -> None:
    _need(grader, where, "input", "reference")
    _choice(grader, where, "operation", tuple(_OPERATIONS))


def _check_text_similarity(grader: dict[str, Any], where: str) -> None:
    _need(grader, where, "input", "reference")
    _choice(grader, where, "evaluation_metric", METRICS_KNOWN)


def _check_python(grader: dict[str, Any], where: str) -> None:
    _need(grader, where, "source")
    if len(grader["source"].encode()) > SOURCE_BYTES_MAX:
        raise invalid(f"'{where}.source' must not be larger than 256 kB.", param=f"{where}.source")
    try:
        compile(grader["source"], "grader.py", "exec")
    except (SyntaxError, ValueError) as error:
        raise invalid(f"'{where}.source' is not Python: {error}", param=f"{where}.source") from None


def _check_score_model(grader: dict[str, Any], where: str) -> None:
    _need(grader, where, "model")
    if not isinstance(grader.get("input"), list) or not grader["input"]:
        raise invalid(f"'{where}.input' must be a list of messages.", param=f"{where}.input")


def _check_multi(grader: dict[str, Any], where: str) -> None:
    _need(grader, where, "calculate_output")
    if not isinstance(grader.get("graders"), dict) or not grader["graders"]:
        raise invalid(f"'{where}.graders' must be an object of graders by name.", param=f"{where}.graders")
    for name, part in _parts(grader).items():
        inner = f"{where}.graders.{name}"
        if check(part, inner)["type"] == "multi":
            raise invalid(f"'{inner}' must not be a multi grader itself.", param=f"{inner}.type")
    try:
        formulas.check(grader["calculate_output"], set(_parts(grader)))
    except formulas.BadFormula as bad:
        raise invalid(f"'{where}.calculate_output': {bad}.", param=f"{where}.calculate_output") from None


_CHECKS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "string_check": _check_string_check,
    "text_similarity": _check_text_similarity,
    "python": _check_python,
    "score_model": _check_score_model,
    "multi": _check_multi,
}
