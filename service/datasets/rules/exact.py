"""Every rule about one example, said exactly: where (a JSON pointer), which rule, and with which facts.

The sources of the rules stand in `problems`. Pure and total: any JSON value may come in.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from service.datasets.rules import formats, images, tools
from service.datasets.rules.formats import CHAT, EXAMPLE_KEYS
from service.datasets.rules.problems import IMAGES_MAX, NAME_CHARS_MAX, NAME_PATTERN, label, step


class Finding(NamedTuple):
    """A broken rule within one example; `problems` knows the rest."""

    pointer: str
    code: str
    facts: dict[str, Any] = {}  # noqa: RUF012 - never written to


_COMMON: Final = frozenset({"role", "content", "name"})
_KEYS: Final = {
    "system": _COMMON,
    "developer": _COMMON,
    "user": _COMMON,
    "assistant": _COMMON | {"tool_calls", "function_call", "refusal", "weight"},
    "tool": _COMMON | {"tool_call_id"},
    "function": _COMMON,
}
_NAME: Final = re.compile(NAME_PATTERN)


def findings(example: Any) -> Iterator[Finding]:
    """Everything there is to say about one line's JSON value."""
    if not isinstance(example, dict):
        yield Finding("", "not_an_object")
        return
    messages = example.get("messages")
    if messages is None:
        yield missing_messages(example, CHAT)
        return
    yield from unknown_keys("", example, EXAMPLE_KEYS, "a chat example")
    yield from message_findings(example)
    if isinstance(messages, list) and messages:
        yield from _lesson(messages)
        yield from exchange_findings(example)


def missing_messages(example: dict[str, Any], expected: str) -> Finding:
    """What to say of an object without messages where there must be some."""
    other = formats.other(example, expected)
    if other is not None:
        return other_format(other, expected)
    return Finding("", "missing_messages", {"found": formats.describe(example)})


def other_format(found: formats.Format, expected: str) -> Finding:
    """The line is of a format of its own."""
    return Finding("", "other_format", {"found": found.words, "expected": formats.READ[expected].words})


def message_findings(example: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with what an example offers and with each of its messages, taken by itself."""
    yield from _declarations(example)
    messages = example["messages"]
    if not isinstance(messages, list):
        yield wrong("/messages", "'messages'", "a list")
    elif not messages:
        yield Finding("/messages", "empty_messages")
    else:
        for index, message in enumerate(messages):
            yield from _message(f"/messages/{index}", message)


def _declarations(example: dict[str, Any]) -> Iterator[Finding]:
    if not isinstance(example.get("parallel_tool_calls", False), bool):
        yield wrong("/parallel_tool_calls", "'parallel_tool_calls'", "true or false")
    for pointer, code, facts in tools.declaration_findings(example):
        yield Finding(pointer, code, facts)


def _message(at: str, message: Any) -> Iterator[Finding]:
    if not isinstance(message, dict):
        yield wrong(at, "A message", "an object")
        return
    role = message.get("role")
    if role is None:
        yield Finding(at, "missing_key", {"what": "'role'"})
    elif not isinstance(role, str) or role not in _KEYS:
        yield Finding(f"{at}/role", "unknown_role", {"role": label(role)})
    else:
        yield from unknown_keys(at, message, _KEYS[role], f"a message of the role '{role}'", but={"weight"})
    yield from _name(at, message)
    yield from _weight(at, message)
    yield from _content(at, message)
    for pointer, code, facts in tools.call_findings(at, message):
        yield Finding(pointer, code, facts)
    if role == "tool" and not (isinstance(message.get("tool_call_id"), str) and message["tool_call_id"]):
        yield Finding(at, "missing_key", {"what": "'tool_call_id'"})


def _name(at: str, message: dict[str, Any]) -> Iterator[Finding]:
    name = message.get("name")
    if name is not None and not isinstance(name, str):
        yield wrong(f"{at}/name", "'name'", "a string")
    elif name and (len(name) > NAME_CHARS_MAX or not _NAME.match(name)):
        yield Finding(f"{at}/name", "name_format")
    elif message.get("role") == "function" and not name:
        yield Finding(at, "missing_key", {"what": "'name'"})


def _weight(at: str, message: dict[str, Any]) -> Iterator[Finding]:
    if "weight" not in message:
        return
    weight = message["weight"]
    if message.get("role") != "assistant":
        yield Finding(f"{at}/weight", "weight_not_assistant")
    elif isinstance(weight, bool) or weight not in (0, 1):
        yield Finding(f"{at}/weight", "weight_not_0_or_1")


def _content(at: str, message: dict[str, Any]) -> Iterator[Finding]:
    content, role = message.get("content"), message.get("role")
    if not isinstance(message.get("refusal"), str | None):
        yield wrong(f"{at}/refusal", "'refusal'", "a string")
    instead = role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal"))
    if content is None:
        if not instead:
            yield Finding(at, "missing_content")
    elif isinstance(content, list):
        for index, part in enumerate(content):
            yield from _part(f"{at}/content/{index}", part, role)
    elif not isinstance(content, str):
        yield wrong(f"{at}/content", "'content'", "a string or a list of parts")
    if content in ("", []) and not instead:
        yield Finding(f"{at}/content", "empty_content")


def _part(at: str, part: Any, role: Any) -> Iterator[Finding]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        if not isinstance(part.get("text"), str):
            yield wrong(f"{at}/text", "'text'", "a string")
        yield from unknown_keys(at, part, frozenset({"type", "text"}), "a text part")
    elif kind == "refusal" and role == "assistant":
        if not isinstance(part.get("refusal"), str):
            yield wrong(f"{at}/refusal", "'refusal'", "a string")
        yield from unknown_keys(at, part, frozenset({"type", "refusal"}), "a refusal part")
    elif kind == "image_url":
        yield from _image(at, part, role)
    else:
        yield Finding(at, "unknown_part")


def _image(at: str, part: dict[str, Any], role: Any) -> Iterator[Finding]:
    if role != "user":
        yield Finding(at, "image_not_user")
    image = part.get("image_url")
    if not isinstance(image, dict):
        yield wrong(f"{at}/image_url", "'image_url'", "an object with a 'url'")
        return
    for code, facts in images.findings(image.get("url")):
        yield Finding(f"{at}/image_url/url", code, facts)
    if image.get("detail", "auto") not in ("low", "high", "auto"):
        yield wrong(f"{at}/image_url/detail", "'detail'", "low, high or auto")


def _lesson(messages: list[Any]) -> Iterator[Finding]:
    """Whether there is something to learn: the assistant speaks, has the last word, and that counts."""
    well_formed = [message for message in messages if isinstance(message, dict)]
    spoken = [message for message in well_formed if message.get("role") == "assistant"]
    if not spoken:
        yield Finding("/messages", "no_assistant_message")
    elif messages[-1] is not spoken[-1]:
        yield Finding(f"/messages/{len(messages) - 1}", "last_message_not_assistant")
    if spoken and all(message.get("weight", 1) == 0 for message in spoken):
        yield Finding("/messages", "nothing_to_learn")


def exchange_findings(example: dict[str, Any]) -> Iterator[Finding]:
    """What can only be seen across the messages of an example: how many images, which call is answered."""
    messages, declared = example["messages"], tools.declared(example)
    well_formed = [message for message in messages if isinstance(message, dict)]
    images = sum(_is_image(part) for message in well_formed for part in _parts(message))
    if images > IMAGES_MAX:
        yield Finding("/messages", "too_many_images", {"images": images})
    for pointer, code, facts in tools.exchange_findings(messages, declared):
        yield Finding(pointer, code, facts)


def _parts(message: dict[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


def unknown_keys(
    at: str, found: dict[str, Any], known: frozenset[str], where: str, *, but: set[str] | None = None
) -> Iterator[Finding]:
    """Keys that are not part of what stands at `at`."""
    for key in sorted(found.keys() - known - (but or set())):
        if found[key] is not None:  # SDKs write what is absent as null
            yield Finding(at + step(key), "unknown_key", {"key": label(key), "where": where})


def wrong(pointer: str, what: str, expected: str) -> Finding:
    """Something is of another type than it must be."""
    return Finding(pointer, "wrong_type", {"what": what, "expected": expected})
