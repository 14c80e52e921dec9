"""Counting and cutting tokens. This module holds the definition by which the emulator bills."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Protocol


class Tokenizer(Protocol):
    """The part of bpe_openai's tokenizer used here; the package ships no types."""

    def count(self, text: str) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def decode(self, tokens: list[int]) -> str: ...


O200K = "o200k_base"
CL100K = "cl100k_base"
TOKENS_PER_MESSAGE = 3
TOKENS_PER_IMAGE = 85


def encoding_of(base_model: str) -> str:
    """o200k_base for gpt-4o, gpt-4.1 and o4-mini, cl100k_base otherwise (§3.8)."""
    return O200K if base_model.startswith(("gpt-4o", "gpt-4.1", "o4-mini")) else CL100K


@lru_cache
def tokenizer(encoding: str) -> Tokenizer:
    """The tokenizer itself. It takes half a second to load, for which the start of the server should not wait."""
    from bpe_openai import _bindings  # noqa: PLC0415

    loaded: Tokenizer = _bindings.tokenizer_for_encoding(encoding)
    return loaded


def whole(text: str) -> str:
    """`text` with lone surrogates replaced the way tiktoken does it; bpe_openai refuses them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def encode(text: str, encoding: str) -> list[int]:
    return tokenizer(encoding).encode(whole(text))


def decode(tokens: list[int], encoding: str) -> str:
    return tokenizer(encoding).decode(tokens)


@lru_cache(maxsize=8192)
def _count_short(text: str, encoding: str) -> int:
    return tokenizer(encoding).count(whole(text))


def count(text: str, encoding: str) -> int:
    # System prompts, roles and tools repeat on every line of a file; long texts rarely do and would only fill the memo.
    return _count_short(text, encoding) if len(text) <= 4096 else tokenizer(encoding).count(whole(text))


def count_example(example: dict[str, Any], encoding: str) -> int:
    """Billable tokens of one chat example, before truncation to the model's limit.

    The whole definition:

    - per message: 3 specials + tokens(role) + tokens(content) + tokens(name), absent ones counting nothing;
    - content given as parts: tokens of each text or refusal, 85 for each image (the price of an image at low detail);
    - per tool call (and for the older function_call): tokens(function name) + tokens(arguments);
    - per example, when `tools` is given and not empty: tokens of
      json.dumps(tools, separators=(",", ":"), ensure_ascii=False);
    - nothing else: weight, refusal, tool_call_id, `functions` and `parallel_tool_calls` are free, and nothing is added
      per example.

    "3 specials per message" is <|im_start|>role<|im_sep|>content<|im_end|>, which matched a real bill (§3.7).
    """
    tools = example.get("tools")
    tool_tokens = count(json.dumps(tools, separators=(",", ":"), ensure_ascii=False), encoding) if tools else 0
    return tool_tokens + sum(count_message(message, encoding) for message in example["messages"])


def count_message(message: dict[str, Any], encoding: str) -> int:
    """One message of count_example."""
    total = TOKENS_PER_MESSAGE + count(message["role"], encoding) + _count_content(message.get("content"), encoding)
    if message.get("name"):
        total += count(message["name"], encoding)
    return total + sum(count(name, encoding) + count(arguments, encoding) for name, arguments in calls_of(message))


def _count_content(content: str | list[dict[str, Any]] | None, encoding: str) -> int:
    if isinstance(content, list):
        return sum(
            count(part[part["type"]], encoding) if part.get("type") in ("text", "refusal") else TOKENS_PER_IMAGE
            for part in content
        )
    return count(content, encoding) if content else 0


def calls_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    """(function name, arguments) of every call an assistant message makes."""
    functions = [call["function"] for call in message.get("tool_calls") or []]
    if message.get("function_call"):
        functions.append(message["function_call"])
    return [(function["name"], function["arguments"]) for function in functions]


def text_of(message: dict[str, Any]) -> str:
    """The text a message carries: its content, of parts the text ones, then its calls."""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "\n".join(part[part["type"]] for part in content if part.get("type") in ("text", "refusal"))
    return "\n".join([content, *(f"{name}{arguments}" for name, arguments in calls_of(message))]).strip("\n")
