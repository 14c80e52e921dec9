"""Checking a dataset as OpenAI's cookbook notebook does, `Chat_finetuning_data_prep` (openai.md §3.7), step by step.

All of the file in memory, tiktoken for every value, the content of assistants encoded a second time. It crashes on
values that are no strings, such as calls; here it passes them over, so that it can be measured at all.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from service.provider import tokens

_KEYS: Final = ("role", "content", "name", "function_call", "weight")
_ROLES: Final = ("system", "user", "assistant", "function")
_LIMIT: Final = 16_385


def check(path: Path) -> dict[str, Any]:
    """Everything the notebook prints."""
    with path.open(encoding="utf-8") as file:
        dataset = [json.loads(line) for line in file]
    encode = tokens.reference(tokens.CL100K).encode
    missing_system = missing_user = 0
    messages, lengths, assistant = [], [], []
    for example in dataset:
        said = example["messages"]
        missing_system += not any(message["role"] == "system" for message in said)
        missing_user += not any(message["role"] == "user" for message in said)
        messages.append(len(said))
        total = 3
        for message in said:
            total += 3 + ("name" in message)
            total += sum(len(encode(value)) for value in message.values() if isinstance(value, str))
        lengths.append(total)
        spoken = (message["content"] for message in said if message["role"] == "assistant")
        assistant.append(sum(len(encode(content)) for content in spoken if content))
    return {
        "examples": len(dataset), "errors": _errors(dataset), "missing": (missing_system, missing_user),
        "messages": _spread(messages), "tokens": _spread(lengths), "assistant": _spread(assistant),
        "over": sum(length > _LIMIT for length in lengths), "billed": sum(min(_LIMIT, length) for length in lengths),
    }  # fmt: skip


def _errors(dataset: Sequence[dict[str, Any]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for example in dataset:
        if not isinstance(example, dict):
            found["data_type"] += 1
            continue
        messages = example.get("messages", None)
        if not messages:
            found["missing_messages_list"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                found["message_missing_key"] += 1
            if any(key not in _KEYS for key in message):
                found["message_unrecognized_key"] += 1
            if message.get("role", None) not in _ROLES:
                found["unrecognized_role"] += 1
            content = message.get("content", None)
            if (not content and not message.get("function_call", None)) or not isinstance(content, str):
                found["missing_content"] += 1
        if not any(message.get("role", None) == "assistant" for message in messages):
            found["example_missing_assistant_message"] += 1
    return found


def _spread(values: Sequence[int]) -> tuple[float, ...]:
    return (min(values), max(values), *(float(np.quantile(values, share)) for share in (0.5, 0.1, 0.9)))
