"""Faulty lines of preference pairs, reinforcement items and prompt/completion pairs."""

from typing import Any

from tests.datasets.chat import line
from tests.datasets.corpus.faults import Fault, fault


def pair(n: int, **change: Any) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"What is {n} + {n}?"}]},
        "preferred_output": [{"role": "assistant", "content": f"{2 * n}."}],
        "non_preferred_output": [{"role": "assistant", "content": f"{2 * n + 1}."}],
    } | change


def item(n: int, **change: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"What is {n} + {n}?"}], "answer": str(2 * n)} | change


def completion(n: int, **change: Any) -> dict[str, Any]:
    return {"prompt": f"What is {n} + {n}? ->", "completion": f" {2 * n}\n"} | change


ASKED = pair(500)["input"]
PAIRS: list[Fault] = [
    fault(line([]), ("", "not_an_object")),
    fault(line({"messages": [{"role": "user", "content": "Hi"}]}), ("", "other_format")),
    fault(line({"prompt": "2+2?", "chosen": "4", "rejected": "5"}), ("", "other_format")),
    fault(line({"input": ASKED, "preferred_output": pair(1)["preferred_output"]}), ("", "missing_key")),
    fault(line(pair(501, preferred_output=[])), ("/preferred_output", "wrong_type")),
    fault(line(pair(502, non_preferred_output=[{"role": "user", "content": "?"}])),
          ("/non_preferred_output", "wrong_type")),
    fault(line(pair(503, input={"messages": []})), ("/input/messages", "empty_messages")),
    fault(line(pair(504, input="2+2?")), ("/input", "wrong_type")),
    fault(line(pair(505, input={"messages": [{"role": "boss", "content": "2+2?"}]})),
          ("/input/messages/0/role", "unknown_role")),
    fault(line(pair(506, preferred_output=[{"role": "assistant"}])), ("/preferred_output/0", "missing_content")),
    fault(line(pair(507, input=ASKED | {"tools": 1})), ("/input/tools", "wrong_type")),
    fault(line(pair(508, note="x")), ("/note", "unknown_key")),
]  # fmt: skip
ITEMS: list[Fault] = [
    fault(line("hello"), ("", "not_an_object")),
    fault(line(completion(1)), ("", "other_format")),
    fault(line({"answer": "4"}), ("", "missing_messages")),
    fault(line(item(501, messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])),
          ("/messages/1", "ends_without_question")),
    fault(line(item(502, messages=[])), ("/messages", "empty_messages")),
    fault(line(item(503, messages=[{"role": "user"}])), ("/messages/0", "missing_content")),
    fault(line(item(504, tools=["look"])), ("/tools/0", "wrong_type")),
]  # fmt: skip
COMPLETIONS: list[Fault] = [
    fault(line(7), ("", "not_an_object")),
    fault(line({"messages": [{"role": "user", "content": "Hi"}]}), ("", "other_format")),
    fault(line({"prompt": "Hi ->"}), ("", "missing_key")),
    fault(line(completion(501, completion=" ")), ("/completion", "empty_completion")),
    fault(line(completion(502, completion=["Hello"])), ("/completion", "wrong_type")),
    fault(line(completion(503, prompt=None)), ("/prompt", "wrong_type")),
    fault(line(completion(504, source="x")), ("/source", "unknown_key")),
]
