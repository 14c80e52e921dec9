"""The shape of an example about which there is nothing to say: most lines, decoded and checked at once by msgspec.

These types are narrower than what is allowed. Whatever does not fit them exactly (content in parts, the old functions,
an unknown key, a null out of place) is read again by `exact`, which says what it is and whether it matters.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.json import Decoder

Filled = Annotated[str, Meta(min_length=1)]


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
    name: str | None = None


class Developer(Struct, tag_field="role", tag="developer", forbid_unknown_fields=True):
    """A developer message."""

    content: Filled
    name: str | None = None


class User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    """A user message."""

    content: Filled
    name: str | None = None


class Assistant(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """An assistant message: what is learned."""

    content: Filled | None = None
    name: str | None = None
    tool_calls: Annotated[list[Call], Meta(min_length=1)] | None = None
    refusal: str | None = None
    weight: Literal[0, 1] | UnsetType = UNSET


class Tool(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    """A tool's answer."""

    content: Filled
    tool_call_id: Filled
    name: str | None = None


Message = System | Developer | User | Assistant | Tool


class Example(Struct, forbid_unknown_fields=True):
    """One line. `tools` repeats from line to line, so it is read by whoever may have seen the same bytes before."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: Raw = Raw(b"")
    parallel_tool_calls: bool | UnsetType = UNSET


decode = Decoder(Example).decode
decode_object = Decoder(dict[str, Raw]).decode
