"""Checking a dataset against the fastest there is and against what teams do today, two processes each on half a file.

In MB of file a second of processor time, of the process that takes longer: what else the machine does stays out of it.

- Structure, tokens and digest beside counting the tokens of the same strings and nothing else; once as files are, with
  prompts and tools that return, and once with no string of any length twice, where nothing can be remembered.
- All checks beside the same.
- All checks beside OpenAI's notebook, which takes one process, on the same file.
"""

import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

from bench import corpus, notebook
from bench.row import Row
from service.datasets.rules import checker
from service.datasets.rules.report import Limit
from service.provider import tokens

ENCODING: Final = "o200k_base"
_HALF_BYTES: Final = 10_000_000
_SEEDS: Final = (7, 8)  # of the halves
_ROUNDS: Final = 5
_CHUNK_BYTES: Final = 1024 * 1024


def run() -> list[Row]:
    """Four rows."""
    with ProcessPoolExecutor(len(_SEEDS)) as pool:
        return [
            _beside_counting(pool, "validation_vs_tokenizer", deep=False),
            _beside_counting(pool, "validation_vs_tokenizer_nothing_repeats", deep=False, repeating=False),
            _beside_counting(pool, "validation_vs_tokenizer_all_checks", deep=True),
            _beside_the_notebook(pool),
        ]


def _beside_counting(pool: ProcessPoolExecutor, name: str, *, deep: bool, repeating: bool = True) -> Row:
    ours, alone = [], []
    for _ in range(_ROUNDS):  # in turns, so that a change of the machine's mood meets both alike
        ours.append(max(pool.map(_check, _SEEDS, [deep] * 2, [repeating] * 2)))
        alone.append(max(pool.map(_count, _SEEDS, [repeating] * 2)))
    megabytes = sum(len(_half(seed, repeating)[0]) for seed in _SEEDS) / 1e6
    share = corpus.repeated_share(_strings(_SEEDS[0], repeating))
    against = f"counting the same strings alone ({share:.0%} of their characters seen before)"
    return Row(name, megabytes / median(ours), "MB/s", against, megabytes / median(alone))


def _beside_the_notebook(pool: ProcessPoolExecutor) -> Row:
    with tempfile.TemporaryDirectory(prefix="tp-bench-") as folder:
        path = Path(folder, "chats.jsonl")
        path.write_bytes(b"".join(_half(seed, repeating=True)[0] for seed in _SEEDS))
        rounds = [
            (max(pool.map(_check, _SEEDS, [True] * 2, [True] * 2)), pool.submit(_notebook, path).result())
            for _ in range(_ROUNDS - 2)
        ]
        megabytes = path.stat().st_size / 1e6
    ours, theirs = (megabytes / median(times) for times in zip(*rounds, strict=True))
    return Row("validation_vs_notebook", ours, "MB/s", "the notebook's method", theirs)


# ------------------------------------------------------------------------------------------- in a process of the pool
def _check(seed: int, deep: bool, repeating: bool) -> float:  # noqa: FBT001 - what a pool maps has no names
    """Seconds of checking a half."""
    data, examples = _half(seed, repeating)
    chunks = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
    lines = data.split(b"\n") if deep else []
    count = tokens.counter(ENCODING)

    def verify(line: int, other: int) -> float:
        return checker.similarity(lines[line - 1], lines[other - 1], "chat")

    started = process_time()
    report = checker.check(chunks, {ENCODING: count}, [Limit(ENCODING, 65_536)], deep=deep, verify=verify)
    seconds = process_time() - started
    assert report.is_ready
    assert report.examples == examples
    return seconds


def _count(seed: int, repeating: bool) -> float:  # noqa: FBT001
    """Seconds of counting the strings of a half."""
    fresh = json.loads(json.dumps(_strings(seed, repeating)))  # a string counted before keeps its UTF-8
    count = tokens.counter(ENCODING)
    started = process_time()
    for text in fresh:
        count(text)
    return process_time() - started


def _notebook(path: Path) -> float:
    tokens.reference(tokens.CL100K)
    started = process_time()
    notebook.check(path)
    return process_time() - started


@cache
def _half(seed: int, repeating: bool) -> tuple[bytes, int]:  # noqa: FBT001
    data, examples = corpus.some(_HALF_BYTES, seed=seed, repeating=repeating)
    return data, len(examples)


@cache
def _strings(seed: int, repeating: bool) -> list[str]:  # noqa: FBT001
    _, examples = corpus.some(_HALF_BYTES, seed=seed, repeating=repeating)
    return [*chain.from_iterable(map(corpus.strings, examples))]
