"""The shape of an example about which there is nothing to say: most lines, decoded and checked at once by msgspec.

These types are narrower than what is allowed. Whatever does not fit them exactly (content in parts, the old functions,
an unknown key, a null out of place, a key twice) is read again by `exact`, which says what it is and whether it
matters. What is absent is UNSET, so that keys can be counted.
"""

import re
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.json import Decoder

from service.datasets.rules.problems import NAME_CHARS_MAX, NAME_PATTERN

Filled = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX, pattern=NAME_PATTERN)]


class Function(Struct, forbid_unknown_fields=True, gc=False):
    """What a call names and hands over."""

    name: Filled
    arguments: str


class Call(Struct, forbid_unknown_fields=True, gc=False):
    """One tool call."""

    id: Filled
    type: Literal["function"]
    function: Function


class System(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    """A system message."""

    content: Filled
    name: Name | UnsetType | None = UNSET


class Developer(Struct, tag_field="role", tag="developer", forbid_unknown_fields=True):
    """A developer message."""

    content: Filled
    name: Name | UnsetType | None = UNSET


class User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    """A user message."""

    content: Filled
    name: Name | UnsetType | None = UNSET


class Assistant(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """An assistant message: what is learned."""

    content: Filled | UnsetType | None = UNSET
    name: Name | UnsetType | None = UNSET
    tool_calls: Annotated[list[Call], Meta(min_length=1)] | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class Tool(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    """A tool's answer."""

    content: Filled
    tool_call_id: Filled
    name: Name | UnsetType | None = UNSET


Message = System | Developer | User | Assistant | Tool


class Example(Struct, forbid_unknown_fields=True):
    """One line. `tools` repeats from line to line, so it is read by whoever may have seen the same bytes before."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: Raw = Raw(b"")
    parallel_tool_calls: bool | UnsetType = UNSET

    def keys(self) -> int:
        """How many keys the line has outside of `tools`, if none is there twice."""
        keys = 1 + (len(self.tools) > 0) + (self.parallel_tool_calls is not UNSET) + 2 * len(self.messages)
        for message in self.messages:
            if message.name is not UNSET:
                keys += 1
            if type(message) is Assistant:
                keys += _more_keys(message)
            elif type(message) is Tool:
                keys += 1
        return keys


def _more_keys(message: Assistant) -> int:
    """How many more than others it has; of a call five."""
    keys = (message.weight is not UNSET) + (message.refusal is not UNSET) - (message.content is UNSET)
    if message.tool_calls is not UNSET:
        keys += 1 + _KEYS_OF_A_CALL * len(message.tool_calls or ())
    return keys


_KEYS_OF_A_CALL: Final = 5
_KEY: Final = re.compile(
    rb'"(?:messages|tools|parallel_tool_calls|role|content|name|weight|refusal|tool_call_id|tool_calls'
    rb'|id|type|function|arguments)"\s*:'
)
decode = Decoder(Example).decode
decode_object = Decoder(dict[str, Raw]).decode


def count_keys(written: bytes) -> int:
    """How many keys of the shapes above are written there. In a string their quotes would have a backslash."""
    return len(_KEY.findall(written))
