"""Is this a training file? The checks made when a job starts, with the words OpenAI uses (§3.1, §3.9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emulator import tokens

EXAMPLES_MIN = 10
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
UNEXPECTED_FORMAT = "Unexpected file format, expected either prompt/completion pairs or chat messages."
OTHER_METHOD = (
    "Input file {file} is in the fine-tune-%s format, but the specified fine-tuning job is not using '%s' as the "
    "training method (provided method=%s)."
)
CHAT, PREFERENCE, COMPLETION = "chat", "preference", "completion"
METHODS = {CHAT: "supervised", PREFERENCE: "dpo"}
ITEMS_MAX = {"training": 50_000, "validation": 1_000}  # of a reinforcement job (§3.4)


class Malformed(Exception):
    """Not in the format of the method. The text is what the job's error says, `{file}` standing for the file's id."""


@dataclass(frozen=True)
class Examined:
    """What one reading of a file found: its examples and the billable tokens of one epoch, or what is wrong with it."""

    examples: int = 0
    tokens: int = 0
    problem: str | None = None


def examine(data: bytes, encoding: str, tokens_per_example_max: int, method: str) -> Examined:
    """Check every line of a file for the method and count its tokens, each example cut to the model's limit (§3.7)."""
    examples = billable = 0
    try:
        for example in read_examples(data):
            examples += 1
            check_example(example, examples, method)
            billable += min(tokens_per_example_max, tokens.count_example(_counted(example), encoding))
    except Malformed as malformed:
        return Examined(problem=str(malformed))
    return Examined(examples, billable)


def lines_of(data: bytes) -> list[bytes]:
    """The non-blank lines; a byte order mark is forgiven (§3)."""
    return [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]


def read_examples(data: bytes) -> Iterator[Any]:
    """Every line as JSON. Raises Malformed at the first that is not."""
    for number, line in enumerate(lines_of(data), 1):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"Invalid file format. Example {number} is not valid JSON: {error}") from None


def check_example(example: Any, number: int, method: str) -> None:
    """One line of a file for the method; `number` counts from 1, as in OpenAI's messages. Raises Malformed."""
    if not isinstance(example, dict):
        raise Malformed(f"Invalid file format. Example {number} is not a JSON object")
    found = format_of(example)
    if found is None:
        raise Malformed(UNEXPECTED_FORMAT)
    if found == COMPLETION:
        raise Malformed(
            "Input file {file} is in the fine-tune-completion format, but the model is trained on chat messages."
        )
    if found != (PREFERENCE if method == "dpo" else CHAT):
        raise Malformed(OTHER_METHOD % (found, METHODS[found], method))
    try:
        _CHECKS[method](example)
    except Malformed as malformed:
        raise Malformed(f"Invalid file format. Example {number}, {malformed}") from None
    if method == "reinforcement" and example["messages"][-1]["role"] == "assistant":
        raise Malformed(OTHER_METHOD % (found, METHODS[found], method))


def format_of(example: dict[str, Any]) -> str | None:
    """Which of the formats an object has, by its keys alone; None for no known one."""
    if "messages" in example:
        return CHAT
    if {"input", "preferred_output", "non_preferred_output"} <= example.keys():
        return PREFERENCE
    return COMPLETION if {"prompt", "completion"} <= example.keys() else None


def _counted(example: dict[str, Any]) -> dict[str, Any]:
    """The example as one conversation to count: of a preference the input and then both answers."""
    if format_of(example) != PREFERENCE:
        return example
    answers = [*example["preferred_output"], *example["non_preferred_output"]]
    return {"messages": [*example["input"]["messages"], *answers], "tools": example["input"].get("tools")}


def _check_supervised(example: dict[str, Any]) -> None:
    check_messages(example["messages"])
    check_tools(example.get("tools"))
    if not any(message["role"] == "assistant" for message in example["messages"]):
        raise Malformed("at least one message must have role 'assistant'")


def _check_preference(example: dict[str, Any]) -> None:
    """One turn: a conversation, and two assistant messages of which the first is preferred (§3.3)."""
    asked = example["input"]
    if not isinstance(asked, dict):
        raise Malformed("field 'input' must be an object with 'messages'")
    check_messages(asked.get("messages"))
    check_tools(asked.get("tools"))
    for field in ("preferred_output", "non_preferred_output"):
        answers = example[field]
        if not isinstance(answers, list) or len(answers) != 1:
            raise Malformed(f"field '{field}' must be a list of one message")
        check_messages(answers)
        if answers[0]["role"] != "assistant":
            raise Malformed(f"field '{field}' must be a message of role 'assistant'")


def _check_item(example: dict[str, Any]) -> None:
    """An item ends with the question; what the answer should be is in other fields (§3.4)."""
    check_messages(example["messages"])
    check_tools(example.get("tools"))
    if example["messages"][-1]["role"] not in ("user", "developer", "assistant"):
        raise Malformed("the last message must have role 'user' or 'developer'")


_CHECKS = {"supervised": _check_supervised, "dpo": _check_preference, "reinforcement": _check_item}


def check_messages(messages: Any) -> None:
    """A conversation, in a training file or in a chat request. Raises Malformed; messages are counted from 1."""
    if not isinstance(messages, list) or not messages:
        raise Malformed("field 'messages' must be a non-empty list")
    for number, message in enumerate(messages, 1):
        problem = _problem_of_message(message)
        if problem:
            raise Malformed(f"message {number} {problem}")


def _problem_of_message(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "Input should be a valid dictionary"
    if "role" not in message:
        return "Discriminator 'role' is missing in value"
    role = message["role"]
    if role not in ROLES:
        return f"Input tag '{role}' found using 'role' does not match any of the expected tags: {', '.join(ROLES)}"
    if not isinstance(message.get("name"), str | None):
        return "field 'name' must be a string"
    if role == "function" and not message.get("name"):
        return "field 'name' is required for role 'function'"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "field 'tool_call_id' is required for role 'tool'"
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1)):
        return "field 'weight' must be 0 or 1 and is allowed for role 'assistant' only"
    return _problem_of_calls(message) or _problem_of_content(message)


def _problem_of_content(message: dict[str, Any]) -> str | None:
    content = message.get("content")
    if content is None:
        calls = message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call"))
        return None if calls or message.get("refusal") else "field 'content' is required"
    if isinstance(content, str) or (isinstance(content, list) and all(map(_is_part, content))):
        return None
    return "field 'content' must be a string or a list of parts"


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    return isinstance(part.get(kind), str) if kind in ("text", "refusal") else kind == "image_url"


def _problem_of_calls(message: dict[str, Any]) -> str | None:
    calls = message.get("tool_calls")
    if not isinstance(calls, list | None):
        return "field 'tool_calls' must be a list"
    functions = [call.get("function") if isinstance(call, dict) else None for call in calls or []]
    if message.get("function_call"):
        functions.append(message["function_call"])
    if all(map(_is_call, functions)):
        return None
    return "field 'tool_calls' must hold functions with a 'name' and 'arguments' as a string"


def _is_call(function: Any) -> bool:
    return isinstance(function, dict) and all(isinstance(function.get(key), str) for key in ("name", "arguments"))


def check_tools(tools: Any) -> None:
    """`tools` of an example or a chat request: absent, null or a list of named functions. Raises Malformed."""
    if tools is None:
        return
    functions = (
        [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
        if isinstance(tools, list)
        else [None]
    )
    if not all(isinstance(function, dict) and isinstance(function.get("name"), str) for function in functions):
        raise Malformed("field 'tools' must be a list of functions with a 'name'")
