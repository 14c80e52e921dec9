"""Reinforcement items (openai.md §3.4): messages that end with the question, and whatever else its grader needs."""

from collections.abc import Iterator
from typing import Any

from service.datasets.rules.exact import Finding, exchange_findings, message_findings, missing_messages
from service.datasets.rules.formats import REINFORCEMENT


def findings(example: Any) -> Iterator[Finding]:
    """Everything there is to say about one line's JSON value; other keys than the messages are the grader's."""
    if not isinstance(example, dict):
        yield Finding("", "not_an_object")
        return
    if example.get("messages") is None:
        yield missing_messages(example, REINFORCEMENT)
        return
    yield from message_findings(example)
    messages = example["messages"]
    if isinstance(messages, list) and messages:
        last = messages[-1]
        if isinstance(last, dict) and last.get("role") not in ("user", "developer"):
            yield Finding(f"/messages/{len(messages) - 1}", "ends_without_question")
        yield from exchange_findings(example)
