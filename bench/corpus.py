"""The corpus of the benchmarks on datasets: conversations made from a seed.

In English (Python's own manual), code (its library), Chinese (from common words) and with tool calls. As in practice a
few system prompts and tools return on every line; what people and assistants say does not, but for the passages it is
made of.
"""

import inspect
import json
import pydoc_data.topics
import random
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Final

from service.datasets.rules.counting import pieces_of

_MODULES: Final = (
    "argparse", "ast", "asyncio.base_events", "configparser", "datetime", "email.message", "http.client", "inspect",
    "logging", "pathlib", "pickle", "smtplib", "tarfile", "typing",
)  # fmt: skip
_CHINESE: Final = (
    "我们 可以 问题 时间 工作 没有 中国 这个 一个 开始 需要 系统 数据 信息 公司 今天 学生 老师 发展 研究 "
    "方法 结果 因为 所以 但是 如果 已经 然后 手机 电脑 网络 服务 客户 订单 退款 价格 城市 天气 下雨 灯塔 "
    "海 船 的 了 是 在 和 不 有 人 都 很"
)


def line(example: dict[str, Any]) -> bytes:
    """It as it stands in a file."""
    return json.dumps(example, ensure_ascii=False).encode() + b"\n"


def write(path: Path, size: int, *, seed: int) -> None:
    """A file of about so many bytes."""
    with path.open("wb") as file:
        for example in examples(seed):
            file.write(line(example))
            if file.tell() >= size:
                return


def some(size: int, *, seed: int = 7, repeating: bool = True) -> tuple[bytes, list[dict[str, Any]]]:
    """About so many bytes of a file, and the examples in it."""
    made, lines, written = [], [], 0
    for example in examples(seed, repeating=repeating):
        made.append(example)
        lines.append(line(example))
        written += len(lines[-1])
        if written >= size:
            break
    return b"".join(lines), made


def strings(example: dict[str, Any]) -> list[str]:
    """Every string of it that the chat template counts."""
    pieces = pieces_of(example)
    spoken = [[said.role, said.name, *said.texts, *said.calls] for said in pieces.said]
    return [text for text in [pieces.tools, *chain.from_iterable(spoken)] if text]


def repeated_share(texts: Sequence[str]) -> float:
    """Which part of their characters is in strings that were there before."""
    return 1 - sum(map(len, set(texts))) / sum(map(len, texts))


def examples(seed: int, *, repeating: bool = True) -> Iterator[dict[str, Any]]:
    """Conversations without end; where not `repeating`, no string of any length comes twice."""
    dice = random.Random(seed)
    english, code = _paragraphs(), _functions()
    prompts = [" ".join(dice.sample(english, 2)) for _ in range(5)]
    tools = [_tools(dice, english) for _ in range(3)]
    while True:
        speak = dice.choice([_said(english), _said(code), _said_in_chinese])
        example: dict[str, Any] = {"messages": []}
        if repeating:
            example["messages"].append({"role": "system", "content": dice.choice(prompts)})
        for _ in range(dice.randint(1, 3)):
            example["messages"].append({"role": "user", "content": speak(dice)})
            if repeating and dice.random() < 0.15:
                example["tools"] = example.get("tools") or dice.choice(tools)
                example["messages"] += _errand(dice, example["tools"], speak)
            example["messages"].append({"role": "assistant", "content": speak(dice)})
        yield example


def _paragraphs() -> list[str]:
    text = "\n\n".join(pydoc_data.topics.topics.values())
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if len(paragraph) > 80]


def _functions() -> list[str]:
    source = "\n".join(inspect.getsource(import_module(name)) for name in _MODULES)
    return ["def " + body for body in source.split("    def ")[1:]]


def _said(passages: Sequence[str]) -> Callable[[random.Random], str]:
    """Passages never come back as they are: a number is put among their words."""

    def said(dice: random.Random) -> str:
        passage = dice.choice(passages)
        cut = dice.randrange(len(passage))
        return f"{passage[cut:]} {dice.randrange(10**6)} {passage[:cut]}"

    return said


def _said_in_chinese(dice: random.Random) -> str:
    words = _CHINESE.split()
    sentences = ("".join(dice.choices(words, k=dice.randint(5, 15))) for _ in range(dice.randint(2, 10)))
    return "。".join(sentences) + "。"


def _tools(dice: random.Random, english: Sequence[str]) -> list[dict[str, Any]]:
    names = dice.sample(["get_order", "cancel_order", "refund", "find_customer", "weather", "tide_table"], 3)
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "reason": {"type": "string"}}}
    return [
        {
            "type": "function",
            "function": {"name": name, "description": dice.choice(english)[:300], "parameters": schema},
        }
        for name in names
    ]


def _errand(
    dice: random.Random, tools: Sequence[dict[str, Any]], speak: Callable[[random.Random], str]
) -> list[dict[str, Any]]:
    call = f"call_{dice.randrange(10**9)}"
    arguments = json.dumps({"id": f"#W{dice.randrange(10**7)}", "reason": speak(dice)[:60]}, ensure_ascii=False)
    function = {"name": dice.choice(tools)["function"]["name"], "arguments": arguments}
    answer = json.dumps({"status": "ok", "items": dice.sample(range(10**6), 12)})
    return [
        {"role": "assistant", "content": None, "tool_calls": [{"id": call, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call, "content": answer},
    ]
