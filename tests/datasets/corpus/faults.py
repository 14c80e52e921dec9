"""A fault: a line with something wrong in it, and exactly what is to be said about it."""

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from tests.datasets.chat import changed, good_errand, good_talk

Change = Callable[[dict[str, Any]], object]
_NUMBERS = count(10_000)


class Fault(NamedTuple):
    """What is told of a line: (pointer, code) of each problem."""

    line: bytes
    told: frozenset[tuple[str, str]]


def fault(line: bytes, *told: tuple[str, str]) -> Fault:
    return Fault(line, frozenset(told))


def talk(change: Change, *told: tuple[str, str]) -> Fault:
    """A conversation like no other (system, user, assistant) with one thing changed."""
    return fault(changed(good_talk(next(_NUMBERS)), change), *told)


def errand(change: Change, *told: tuple[str, str]) -> Fault:
    """One with a call: system, user, assistant that calls, tool, assistant."""
    return fault(changed(good_errand(next(_NUMBERS)), change), *told)


def message(index: int, **fields: Any) -> Change:
    return lambda example: example["messages"][index].update(fields)


def without(index: int, key: str) -> Change:
    return lambda example: example["messages"][index].pop(key)


def call(**fields: Any) -> Change:
    return lambda example: example["messages"][2]["tool_calls"][0].update(fields)


def function(**fields: Any) -> Change:
    return lambda example: example["messages"][2]["tool_calls"][0]["function"].update(fields)


def tool(**fields: Any) -> Change:
    return lambda example: example["tools"][0].update(fields)


def also(tool: Any) -> Change:
    return lambda example: example["tools"].append(tool)


def image(**fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "https://example.com/a.png", **fields}}


def shown(url: str) -> Change:
    """The user shows an image."""
    return lambda example: example["messages"][1].update(
        content=[{"type": "text", "text": example["messages"][1]["content"]}, image(url=url)]
    )
