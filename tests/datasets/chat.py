"""Chat files for the tests: lines that are right, and the same with one thing wrong."""

import json
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from service.datasets.rules.checker import HEAD_BYTES, check, detect_format, similarity
from service.datasets.rules.report import Limit, Report
from service.provider import tokens

O200K = "o200k_base"
COUNTERS = {O200K: tokens.counter(O200K)}

TALK: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "You keep the light."},
        {"role": "user", "content": "When does it turn?"},
        {"role": "assistant", "content": "Every seven seconds."},
    ]
}
ERRAND: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "What is the weather in Brest?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Brest"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Look out.", "parameters": {"type": "object"}},
        }
    ],
}

SKETCH: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": "Name what you see."},
        {"role": "assistant", "content": "Show me.", "weight": 0},
        {
            "role": "user",
            "name": "keeper",
            "content": [
                {"type": "text", "text": "This:"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}, "weight": 1},
        {"role": "function", "name": "look", "content": "a gull"},
        {"role": "assistant", "content": "A gull.", "weight": 1},
    ],
    "functions": [{"name": "look"}],
}


def line(example: object) -> bytes:
    return json.dumps(example, ensure_ascii=False).encode()


def file_of(lines: Iterable[bytes]) -> bytes:
    return b"".join(one + b"\n" for one in lines)


def good(count: int = 60) -> list[bytes]:
    """Lines about which there is nothing to say, however closely one looks; no two are the same."""
    return [line(good_talk(n) if n % 2 else good_errand(n)) for n in range(count)]


def good_talk(n: int) -> dict[str, Any]:
    return {
        "messages": [
            TALK["messages"][0],
            {"role": "user", "content": f"When does lamp {n} turn?"},
            {"role": "assistant", "content": f"Every {n} seconds."},
        ]
    }


def good_errand(n: int) -> dict[str, Any]:
    asked, *done, told = deepcopy(ERRAND["messages"])
    asked["content"], told["content"] = f"What is the weather at light {n}?", f"It rains, {n} mm."
    return ERRAND | {"messages": [TALK["messages"][0], asked, *done, told]}


def changed(example: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> bytes:
    """The example as a line, after `change` was made to a copy of it."""
    copy = deepcopy(example)
    change(copy)
    return line(copy)


def read(
    data: bytes, *, limits: Sequence[Limit] = (Limit(O200K, 65_536),), chunk: int = 1 << 20, **options: Any
) -> Report:
    """The report on the structure of a file; see `read_all`."""
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    return check(chunks, COUNTERS, limits, **{"deep": False, **options})


def read_all(data: bytes, **options: Any) -> Report:
    """The report on a file, what its texts say included."""
    return read(data, **{"deep": True, "verify": verify(data), **options})


def verify(data: bytes) -> Callable[[int, int], float]:
    """Reads lines of a file again."""
    lines, form = data.split(b"\n"), detect_format(data[:HEAD_BYTES]).name
    return lambda line, other: similarity(lines[line - 1], lines[other - 1], form)


def found(report: Report) -> list[tuple[int | None, str, str]]:
    return [(problem.line, problem.pointer, problem.code) for problem in report.problems]
