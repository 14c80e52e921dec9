"""Which strings of an example are counted, and how: the chat template, and the cookbook notebook's way.

The chat template (openai.md §3.7 "reality vs notebook", matched with a real bill): a message costs 3 special tokens,
its role, its content, its name and its calls; `tools` cost their compact JSON; nothing is added per example; `weight`
is ignored. An image counts its price at low detail (§3.2). The emulator bills by the same definition.
"""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

Count = Callable[[str], int]
TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_IMAGE: Final = 85


class Pieces(NamedTuple):
    """What of an example is counted: all strings but `learned`, those of the assistant, and what has a fixed price."""

    texts: list[str]
    learned: list[str]
    fixed: int
    messages: int
    has_system: bool
    has_user: bool


def tokens_of(pieces: Pieces, count: Count) -> tuple[int, int]:
    """(all tokens of an example, those of its assistant messages' text and calls)."""
    learned = sum(map(count, pieces.learned))
    return pieces.fixed + learned + sum(map(count, pieces.texts)), learned


def pieces_of(example: dict[str, Any]) -> Pieces:
    """The pieces of an example in which `exact` found no error."""
    texts: list[str] = []
    learned: list[str] = []
    images = 0
    messages = example["messages"]
    for message in messages:
        texts.append(message["role"])
        if message.get("name"):
            texts.append(message["name"])
        spoken = learned if message["role"] == "assistant" else texts
        content = message.get("content") or []
        parts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
        images += 0 if isinstance(content, str) else len(content) - len(parts)
        spoken += parts
        for function in _functions(message):
            spoken += (function["name"], function["arguments"])
    if example.get("tools"):
        texts.append(tools_text(example["tools"]))
    roles = {message["role"] for message in messages}
    fixed = TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_IMAGE * images
    return Pieces(texts, learned, fixed, len(messages), bool(roles & {"system", "developer"}), "user" in roles)


def _functions(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return [*calls, message["function_call"]] if message.get("function_call") else calls


def tools_text(tools: Any) -> str:
    """What `tools` are counted as."""
    return json.dumps(tools, separators=(",", ":"), ensure_ascii=False)


def notebook_tokens(messages: list[dict[str, Any]], count: Count) -> tuple[int, int]:
    """(tokens, assistant tokens) as the cookbook's `Chat_finetuning_data_prep` counts them (§3.7), to compare with it.

    3 per example, 3 per message, 1 per name, and every value of the message; the notebook crashes on a value that is no
    string, here it counts nothing. Only the content of assistant messages is theirs.
    """
    values = [(key, value) for message in messages for key, value in message.items() if isinstance(value, str)]
    names = sum(key == "name" for key, _ in values)
    spoken = [message["content"] for message in messages if message["role"] == "assistant" and message.get("content")]
    return 3 + 3 * len(messages) + names + sum(count(value) for _, value in values), sum(map(count, spoken))


def memoised(count: Count, *, chars_max: int = 1_000_000) -> Count:
    """`count`, remembering strings seen before: system prompts, tools and roles come back on every line.

    Forgets everything whenever it would hold more than `chars_max` characters, so that memory stays bounded. Ten times
    the default finds no more repetition in bench/validation.py's corpus.
    """
    known: dict[str, int] = {}
    held = 0

    def recall(text: str) -> int:
        nonlocal held
        tokens = known.get(text)
        if tokens is None:
            held += len(text)
            if held > chars_max:
                known.clear()
                held = len(text)
            tokens = known[text] = count(text)
        return tokens

    return recall
