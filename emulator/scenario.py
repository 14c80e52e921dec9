"""Scenario files: a world described in YAML. What is wrong with one is told by line and field.

Every section is what the control API takes, so a scenario says nothing that could not be said to a running emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.clock import moment
from emulator.config import DEFAULT_PROJECT
from emulator.discrepancies import Discrepancy
from emulator.errors import ApiError
from emulator.fates import Fate
from emulator.faults import Fault
from emulator.metering import Use
from emulator.scripts import is_amount
from emulator.settings import Settings
from emulator.webhooks import Endpoint
from emulator.webhooks import parse as parse_endpoint

Place = tuple[str | int, ...]


class BadScenario(Exception):
    """The text says where in the file, which field, and what is wrong with it."""


@dataclass(frozen=True)
class Scenario:
    """What a file describes; None where it says nothing and the command line or the default holds."""

    speed: float | None = None
    start: float | None = None
    org: str | None = None
    keys: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    faults: list[Fault] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    webhooks: list[Endpoint] = field(default_factory=list)
    usage: list[dict[str, Any]] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)


def load(path: Path) -> Scenario:
    """The scenario in a file; raises BadScenario."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Scenario:
    """The scenario in a text, called `name` in messages; raises BadScenario."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        described = yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadScenario(f"{name}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadScenario(f"{name}: not YAML: {error}") from None
    lines = dict(_lines(node, ())) if node else {}

    def bad(place: Place, message: str) -> BadScenario:
        known = place
        while known not in lines and known:
            known = known[:-1]
        return BadScenario(f"{name}:{lines.get(known, 1)}: {_written(place)}: {message}")

    if not isinstance(described, dict):
        raise bad((), "must be an object of sections")
    sections: dict[str, Any] = {}
    for section, value in described.items():
        if section not in _SECTIONS:
            raise bad((section,), f"unknown section; there are: {', '.join(_SECTIONS)}")
        try:
            sections[section] = _SECTIONS[section](value)
        except _Wrong as wrong:
            raise bad((section, *wrong.place), wrong.message) from None
    return Scenario(**sections)


class _Wrong(Exception):
    """Something is wrong at a place below a section."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.message, self.place = message, place


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """The line, counted from 1, of every value by its place."""
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*place, index))


def _written(place: Place) -> str:
    """The place as a reader would write it, as in "faults[0].kind"."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text or "the file"


def _amount(value: Any) -> float:
    if not is_amount(value):
        raise _Wrong("must be a number, 0 or above")
    return float(value)


def _moment(value: Any) -> float:
    try:
        return moment(value)
    except ValueError:
        raise _Wrong("must be a day or an instant, as 2026-10-01 or 2026-10-01T08:00:00Z") from None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("must be a text")
    return value


def _keys(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _Wrong("must be an object of projects by key")
    for key, project in value.items():
        if not isinstance(key, str) or not isinstance(project, str) or not key or not project:
            raise _Wrong("must be a key and the project it belongs to, both texts", key)
    return value


def _list_of(read: Callable[[dict[str, Any]], Any]) -> Callable[[Any], list[Any]]:
    def read_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _Wrong("must be a list")
        return [_by_control(read, one, index) for index, one in enumerate(value)]

    return read_all


def _use(script: dict[str, Any]) -> dict[str, Any]:
    """As it stands, once it has been checked: without `at` it is of the moment the world begins."""
    Use.parse(script, 0)
    return script


def _by_control(read: Callable[[dict[str, Any]], Any], value: Any, *place: int) -> Any:
    """What the control API makes of it, its refusal turned into ours."""
    if not isinstance(value, dict):
        raise _Wrong("must be an object", *place)
    try:
        return read(value)
    except ApiError as error:
        refused = error.body["error"]
        raise _Wrong(str(refused["message"]), *place, *([refused["param"]] if refused["param"] else [])) from None


_SECTIONS: dict[str, Callable[[Any], Any]] = {
    "speed": _amount,
    "start": _moment,
    "org": _name,
    "keys": _keys,
    "settings": lambda value: _by_control(Settings().changed, value),
    "faults": _list_of(Fault.parse),
    "fates": _list_of(Fate.parse),
    "usage": _list_of(_use),
    "discrepancies": _list_of(Discrepancy.parse),
    "webhooks": _list_of(lambda script: parse_endpoint(script, DEFAULT_PROJECT)),
}
