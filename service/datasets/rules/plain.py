"""The fast path: an example of the usual shape, and nothing to say about it."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import DecodeError, MsgspecError, Raw

from service.datasets.rules import tools
from service.datasets.rules.counting import Pieces, Said, tools_text
from service.datasets.rules.lines import Unreadable, read_json
from service.datasets.rules.shapes import (
    Assistant,
    Developer,
    Example,
    Function,
    Message,
    System,
    Tool,
    User,
    count_keys,
    decode,
    decode_object,
)

_ROLES = {System: "system", Developer: "developer", User: "user", Assistant: "assistant", Tool: "tool"}
_KNOWN_TOOLS_MAX = 256


class Offer(NamedTuple):
    """Names and text of `tools`, and how many keys of a chat example's occur in them."""

    names: frozenset[str] = frozenset()
    text: str = ""
    keys: int = 0


class ToolReader:
    """Reads `tools` once for all the lines that repeat them byte for byte."""

    def __init__(self) -> None:
        self._known: dict[bytes, Offer | None] = {}

    def read(self, raw: Raw) -> Offer | None:
        """Their names and the text they are counted as, or None when `exact` has something to say."""
        spelled = bytes(raw)
        if not spelled:
            return Offer()
        if spelled not in self._known:
            if len(self._known) >= _KNOWN_TOOLS_MAX:
                self._known.clear()
            self._known[spelled] = _offer(spelled)
        return self._known[spelled]


def _offer(spelled: bytes) -> Offer | None:
    try:
        example = {"tools": read_json(spelled)}
    except Unreadable:
        return None
    if next(tools.declaration_findings(example), None) is not None:
        return None
    text = tools_text(example["tools"]) if example["tools"] else ""
    return Offer(tools.declared(example), text, count_keys(spelled))


def pieces_of(line: bytes, read_tools: Callable[[Raw], Offer | None]) -> Pieces | None:
    """What to count of a line, or None when a rule may be broken: then `exact` decides."""
    try:
        example = decode(line)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    offer = read_tools(example.tools)
    if offer is None or count_keys(line) != example.keys() + offer.keys:
        return None
    return _pieces(example, offer) if _exchange_holds(example.messages, offer.names) else None


def _pieces(example: Example, offer: Offer) -> Pieces | None:
    """None where every answer has the weight 0."""
    said: list[Said] = []
    learns = False
    for message in example.messages:
        role, name = _ROLES[type(message)], message.name or ""
        if isinstance(message, Assistant):
            learns = learns or message.weight != 0
            calls = [
                text for call in message.tool_calls or () for text in (call.function.name, call.function.arguments)
            ]
            refused = (message.refusal,) if message.refusal else ()
            said.append(Said(role, (message.content or "",), calls, name, (), refused))
        elif isinstance(message, Tool):
            said.append(Said(role, (message.content,), (), name, (), (message.tool_call_id,)))
        else:
            said.append(Said(role, (message.content,), (), name))
    return Pieces(said, offer.text) if learns else None


def _exchange_holds(messages: list[Message], names: frozenset[str]) -> bool:
    """Whether the assistant has the last word, always says something, and calls and answers belong together."""
    made: set[str] = set()
    open_calls: set[str] = set()
    for message in messages:
        if isinstance(message, Tool):
            if message.tool_call_id not in made:
                return False
            open_calls.discard(message.tool_call_id)
        elif open_calls:
            return False
        elif isinstance(message, Assistant):
            if message.tool_calls:
                if not all(_is_plain(call.function, names) for call in message.tool_calls):
                    return False
                open_calls = {call.id for call in message.tool_calls}
                made |= open_calls
            elif not message.content and not message.refusal:
                return False
    return isinstance(messages[-1], Assistant)


def _is_plain(function: Function, names: frozenset[str]) -> bool:
    try:
        decode_object(function.arguments)
    except (DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return function.name in names
