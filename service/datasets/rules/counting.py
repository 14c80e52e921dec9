"""Which strings of an example are counted, and how: the chat template, and the cookbook notebook's way.

The chat template (openai.md §3.7 "reality vs notebook", matched with a real bill): a message costs 3 special tokens,
its role, its content, its name and its calls; nothing is added per example; `weight` is ignored. For `tools` (their
compact JSON) and images (their price at low detail, §3.2) nobody has published a formula: those are estimates. The
emulator bills by the same definition. Prompt/completion pairs cost their two texts (§3.5).

The notebook (§3.7): 3 per example, 3 per message, 1 per name, and every value of the message that is a string. It
crashes on other values, which here count nothing. Only the content of assistant messages is theirs.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

Count = Callable[[str], int]
LEARNED: Final = frozenset({"assistant", "completion"})
_TEXT_PARTS: Final = frozenset({"text", "refusal"})
TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_IMAGE: Final = 85
TOKENS_PER_EXAMPLE_BY_NOTEBOOK: Final = 3
TOKENS_PER_NAME_BY_NOTEBOOK: Final = 1


class Said(NamedTuple):
    """A message: its text (of content in parts, the text ones), its calls (name and arguments of each in turn).

    `others` are strings that only the notebook counts; it does not count content `in_parts`.
    """

    role: str
    texts: Sequence[str]
    calls: Sequence[str] = ()
    name: str = ""
    images: Sequence[str] = ()
    others: Sequence[str] = ()
    in_parts: bool = False


class Pieces(NamedTuple):
    """What an example consists of. `rejected` are how many messages at its end are not to be imitated.

    `framed` is false where there is no chat template around the texts.
    """

    said: Sequence[Said]
    tools: str = ""
    rejected: int = 0
    framed: bool = True

    def system(self) -> str | None:
        """The text of the first system or developer message."""
        for said in self.said:
            if said.role in {"system", "developer"}:
                return "\n".join(said.texts)
        return None

    def answer(self) -> Said | None:
        """The last answer that is to be imitated."""
        for said in reversed(self.said[: len(self.said) - self.rejected]):
            if said.role in LEARNED:
                return said
        return None


class Weight(NamedTuple):
    """What an example counts: all of it, what its assistant says and calls, and both as the notebook counts them."""

    tokens: int
    learned: int
    notebook: int
    notebook_learned: int
    tools: int
    images: int


def weigh(pieces: Pieces, count: Count, unit: int, roles: dict[str, int]) -> Weight:
    """Weigh an example; each message is added to its role in `roles`, without its images.

    `unit` is what `count` gives for one token: see `strings`.
    """
    learned = notebook_learned = images = tokens = 0
    notebook = TOKENS_PER_EXAMPLE_BY_NOTEBOOK * unit
    for role, texts, calls, name, shown, others, in_parts in pieces.said:
        text = count(texts[0]) if len(texts) == 1 else sum(map(count, texts))
        whole = text + TOKENS_PER_MESSAGE * unit + count(role) if pieces.framed else text
        if name:
            whole += count(name)
            notebook += TOKENS_PER_NAME_BY_NOTEBOOK * unit
        notebook += whole - text if in_parts else whole
        if others:
            notebook += sum(map(count, others))
        called = sum(map(count, calls)) if calls else 0
        if role in LEARNED:
            learned += text + called
            notebook_learned += 0 if in_parts else text
        whole += called
        roles[role] = roles.get(role, 0) + whole
        tokens += whole
        images += len(shown)
    tools = count(pieces.tools) if pieces.tools else 0
    pictures = TOKENS_PER_IMAGE * images * unit
    return Weight(tokens + tools + pictures, learned, notebook, notebook_learned, tools, pictures)


def pieces_of(example: dict[str, Any]) -> Pieces:
    """The pieces of an example in which `exact` found no error."""
    tools = example.get("tools")
    return Pieces([_said(message) for message in example["messages"]], tools_text(tools) if tools else "")


def _said(message: dict[str, Any]) -> Said:
    content: Any = message.get("content") or ""
    in_parts = not isinstance(content, str)
    parts = content if in_parts else [{"type": "text", "text": content}]
    return Said(
        message["role"],
        [part[part["type"]] for part in parts if part["type"] in _TEXT_PARTS],
        [text for function in _functions(message) for text in (function["name"], function["arguments"])],
        message.get("name") or "",
        [part["image_url"]["url"] for part in parts if part["type"] == "image_url"],
        [message[key] for key in ("tool_call_id", "refusal") if message.get(key) and isinstance(message[key], str)],
        in_parts,
    )


def _functions(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return [*calls, message["function_call"]] if message.get("function_call") else calls


def tools_text(tools: Any) -> str:
    """What `tools` are counted as."""
    return json.dumps(tools, separators=(",", ":"), ensure_ascii=False)
