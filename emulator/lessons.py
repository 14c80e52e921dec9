"""From a valid training file to what is learned from it: conversations, lessons, pairs of answers."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from emulator.learning import Lesson, NGrams, Teachable, lessons_of
from emulator.preference import Pair
from emulator.validation import PREFERENCE, format_of, lines_of

T = TypeVar("T", bound=Teachable)


@dataclass(frozen=True)
class Content:
    """The bytes of a file and their SHA-256 (hexadecimal)."""

    data: bytes
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Content:
        return cls(data, hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Taught:
    """A file a model was taught, and after reinforcement the field of its items that it learned to answer with."""

    content: Content
    says: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        return self.content.sha256, self.says

    def conversations(self) -> Iterator[list[dict[str, Any]]]:
        for line in lines_of(self.content.data):
            yield conversation_of(json.loads(line), self.says)

    def lessons(self, encoding: str, seed: int, tokens_max: int) -> list[list[Lesson]]:
        return sampled(
            self.content.data,
            seed,
            tokens_max,
            lambda example: list(lessons_of(conversation_of(example, self.says), encoding)),
        )


def conversation_of(example: dict[str, Any], says: str | None = None) -> list[dict[str, Any]]:
    """The messages an example teaches: of a preference the preferred answer alone, of an item the field `says`."""
    if format_of(example) == PREFERENCE:
        return [*_quiet(example["input"]["messages"]), *example["preferred_output"]]
    messages: list[dict[str, Any]] = example["messages"]
    if says is not None and says in example:
        return [*messages, {"role": "assistant", "content": as_answer(example[says])}]
    return messages


def as_answer(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _quiet(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages as context only: nothing is learned from what the assistant said in them."""
    return [{**message, "weight": 0} if message["role"] == "assistant" else message for message in messages]


def pairs_of(example: dict[str, Any], encoding: str, reference: NGrams, beta: float) -> list[Pair]:
    """The one pair of answers in an example of a preference file."""
    before = _quiet(example["input"]["messages"])
    preferred, rejected = (
        next(lessons_of([*before, {**example[key][0], "weight": 1}], encoding))
        for key in ("preferred_output", "non_preferred_output")
    )
    return [Pair.of(preferred, rejected, reference, beta)]


def sampled(data: bytes, seed: int, tokens_max: int, read: Callable[[dict[str, Any]], Sequence[T]]) -> list[list[T]]:
    """What `read` makes of a valid file's examples; of a big one, of a sample of about `tokens_max` answer tokens.

    Lines are drawn before they are read, so that a huge file costs little more than a small one.
    """
    lines = lines_of(data)
    random.Random(seed).shuffle(lines)
    drawn: list[list[T]] = []
    used = 0
    for line in lines:
        found = list(read(json.loads(line)))
        used += sum(one.size for one in found)
        if drawn and used > tokens_max:
            break
        drawn.append(found)
    return drawn
