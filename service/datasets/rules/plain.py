"""The fast path: an example of the usual shape, and nothing to say about it."""

from collections.abc import Callable
from json import loads

from msgspec import DecodeError, Raw

from service.datasets.rules import tools
from service.datasets.rules.counting import Pieces, Said, tools_text
from service.datasets.rules.shapes import (
    Assistant,
    Developer,
    Example,
    Function,
    Message,
    System,
    Tool,
    User,
    decode_object,
)

_ROLES = {System: "system", Developer: "developer", User: "user", Assistant: "assistant", Tool: "tool"}
_KNOWN_TOOLS_MAX = 256
Offer = tuple[frozenset[str], str] | None  # names and text of `tools`; None when something is wrong with them


class ToolReader:
    """Reads `tools` once for all the lines that repeat them byte for byte."""

    def __init__(self) -> None:
        self._known: dict[bytes, Offer] = {}

    def read(self, raw: Raw) -> Offer:
        """Their names and the text they are counted as, or None when `exact` has something to say."""
        spelled = bytes(raw)
        if not spelled:
            return frozenset(), ""
        if spelled not in self._known:
            if len(self._known) >= _KNOWN_TOOLS_MAX:
                self._known.clear()
            self._known[spelled] = _offer(spelled)
        return self._known[spelled]


def _offer(spelled: bytes) -> Offer:
    try:
        example = {"tools": loads(spelled.decode())}
    except (ValueError, RecursionError):
        return None
    if next(tools.declaration_findings(example), None) is not None:
        return None
    return tools.declared(example), tools_text(example["tools"]) if example["tools"] else ""


def pieces_of(example: Example, read_tools: Callable[[Raw], Offer]) -> Pieces | None:
    """What to count of an example, or None when a rule may be broken: then `exact` decides."""
    offer = read_tools(example.tools)
    if offer is None or not _exchange_holds(example.messages, offer[0]):
        return None
    said: list[Said] = []
    learns = False
    for message in example.messages:
        role, name = _ROLES[type(message)], message.name or ""
        if isinstance(message, Assistant):
            learns = learns or message.weight != 0
            calls = [
                text for call in message.tool_calls or () for text in (call.function.name, call.function.arguments)
            ]
            refused = () if message.refusal is None else (message.refusal,)
            said.append(Said(role, (message.content or "",), calls, name, (), refused))
        elif isinstance(message, Tool):
            said.append(Said(role, (message.content,), (), name, (), (message.tool_call_id,)))
        else:
            said.append(Said(role, (message.content,), (), name))
    return Pieces(said, offer[1]) if learns else None


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
            if message.tool_calls is not None:
                if not all(_is_plain(call.function, names) for call in message.tool_calls):
                    return False
                open_calls = {call.id for call in message.tool_calls}
                made |= open_calls
            elif message.content is None and not message.refusal:
                return False
    return isinstance(messages[-1], Assistant)


def _is_plain(function: Function, names: frozenset[str]) -> bool:
    try:
        decode_object(function.arguments)
    except (DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return function.name in names
