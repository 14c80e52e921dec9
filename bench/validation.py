"""Checking a dataset (structure, tokens, digest) against counting the tokens of the same strings and nothing else.

The corpus is made here, from a seed: conversations in English (Python's own manual), code (its library), Chinese (from
common words) and tool calls. Once as it comes in practice, with a few system prompts and tools that return on every
line, and once with no string of any length twice, where nothing can be remembered.
"""

import inspect
import json
import pydoc_data.topics
import random
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from statistics import median
from time import process_time
from typing import Any, Final

from bench.row import Row
from service.datasets.rules.checker import check
from service.datasets.rules.counting import pieces_of
from service.datasets.rules.report import Limit
from service.provider import tokens

ENCODING: Final = "o200k_base"
_BYTES: Final = 12_000_000
_ROUNDS: Final = 7
_CHUNK_BYTES: Final = 1024 * 1024
_MODULES: Final = (
    "argparse", "ast", "asyncio.base_events", "configparser", "datetime", "email.message", "http.client", "inspect",
    "logging", "pathlib", "pickle", "smtplib", "tarfile", "typing",
)  # fmt: skip
_CHINESE: Final = (
    "我们 可以 问题 时间 工作 没有 中国 这个 一个 开始 需要 系统 数据 信息 公司 今天 学生 老师 发展 研究 "
    "方法 结果 因为 所以 但是 如果 已经 然后 手机 电脑 网络 服务 客户 订单 退款 价格 城市 天气 下雨 灯塔 "
    "海 船 的 了 是 在 和 不 有 人 都 很"
)


def run() -> list[Row]:
    """In MB of file per second of processor time: usual repetition, none, and every check there is."""
    return [
        _compare("validation_vs_tokenizer", repeating=True, deep=False),
        _compare("validation_vs_tokenizer_nothing_repeats", repeating=False, deep=False),
        _compare("validation_vs_tokenizer_all_checks", repeating=True, deep=True),
    ]


def _compare(name: str, *, repeating: bool, deep: bool) -> Row:
    examples = list(_examples(random.Random(7), repeating=repeating))
    data = "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples).encode()
    chunks = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
    strings = [text for example in examples for text in _strings(example)]
    count = tokens.counter(ENCODING)

    def ours() -> float:
        started = process_time()
        report = check(chunks, {ENCODING: count}, [Limit(ENCODING, 65_536)], deep=deep)
        seconds = process_time() - started
        assert report.is_ready
        assert report.examples == len(examples)
        return seconds

    def alone() -> float:
        fresh = json.loads(json.dumps(strings))  # a string counted before keeps its UTF-8; ours are counted once
        started = process_time()
        for text in fresh:
            count(text)
        return process_time() - started

    seconds, seconds_alone = _interleaved(ours, alone)
    megabytes = len(data) / 1e6
    again = 1 - sum(map(len, set(strings))) / sum(map(len, strings))
    against = f"counting the same strings alone ({again:.0%} of their characters seen before)"
    return Row(name, megabytes / seconds, "MB/s", against, megabytes / seconds_alone)


def _interleaved(*measured: Callable[[], float]) -> list[float]:
    """Median processor seconds of each, taken in turns so that a change of the machine's mood meets all alike."""
    rounds = [[run() for run in measured] for _ in range(_ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _strings(example: dict[str, Any]) -> list[str]:
    """What the chat template counts."""
    pieces = pieces_of(example)
    spoken = [[said.role, said.name, *said.texts, *said.calls] for said in pieces.said]
    return [text for text in [pieces.tools, *chain.from_iterable(spoken)] if text]


def _examples(dice: random.Random, *, repeating: bool) -> Iterator[dict[str, Any]]:
    english, code = _paragraphs(), _functions()
    prompts = [" ".join(dice.sample(english, 2)) for _ in range(5)]
    tools = [_tools(dice, english) for _ in range(3)]
    made = 0
    while made < _BYTES:
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
        made += len(json.dumps(example, ensure_ascii=False).encode()) + 1
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
