"""Preference pairs (openai.md §3.3): one conversation, and two answers to it of which the first is preferred.

A pair is two chat examples that share all but the answer, so it is held to the rules of those.
"""

from collections.abc import Iterator
from typing import Any, Final

from service.datasets.rules import counting, exact, formats
from service.datasets.rules.counting import Pieces
from service.datasets.rules.exact import Finding, other_format, unknown_keys, wrong

ANSWERS: Final = ("preferred_output", "non_preferred_output")
_KEYS: Final = frozenset({"input", *ANSWERS})


def findings(example: Any) -> Iterator[Finding]:
    """Everything there is to say about one line's JSON value."""
    if not isinstance(example, dict):
        yield Finding("", "not_an_object")
        return
    other = formats.other(example, formats.PREFERENCE)
    if other is not None:
        yield other_format(other, formats.PREFERENCE)
        return
    yield from unknown_keys("", example, _KEYS, "a preference pair")
    broken = list(_broken(example))
    yield from broken
    if not broken:
        both = [found for answer in ANSWERS for found in _conversation(example, answer)]
        yield from {(found.pointer, found.code): found for found in both}.values()


def _broken(example: dict[str, Any]) -> Iterator[Finding]:
    """What keeps the pair from being read as two conversations."""
    asked = example.get("input")
    if "input" not in example:
        yield Finding("", "missing_key", {"what": "'input'"})
    elif not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
        yield wrong("/input", "'input'", "an object with a list of 'messages'")
    elif not asked["messages"]:
        yield Finding("/input/messages", "empty_messages")
    for name in ANSWERS:
        if name not in example:
            yield Finding("", "missing_key", {"what": f"'{name}'"})
        elif not _is_one_answer(example[name]):
            yield wrong(f"/{name}", f"'{name}'", "a list of one assistant message")


def _is_one_answer(value: Any) -> bool:
    is_one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return is_one and value[0].get("role") == "assistant"


def _conversation(example: dict[str, Any], answer: str) -> Iterator[Finding]:
    asked = example["input"]
    for pointer, code, facts in exact.findings(asked | {"messages": [*asked["messages"], *example[answer]]}):
        yield Finding(_place(pointer, len(asked["messages"]), answer), code, facts)


def _place(pointer: str, asked: int, answer: str) -> str:
    """Where in the pair something lies that was found in one of its conversations."""
    mark = f"/messages/{asked}"
    if pointer == mark or pointer.startswith(f"{mark}/"):
        return f"/{answer}/0{pointer.removeprefix(mark)}"
    return f"/input{pointer}"


def pieces_of(example: dict[str, Any]) -> Pieces:
    """The pieces of a pair in which no error was found: both answers are trained on, and billed."""
    asked = example["input"]
    answers = [*example["preferred_output"], *example["non_preferred_output"]]
    return counting.pieces_of(asked | {"messages": [*asked["messages"], *answers]})._replace(rejected=1)
