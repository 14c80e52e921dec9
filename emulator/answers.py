"""How models answer: a tuned one from what it was taught, a base one honestly that it does not know."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import random
import re
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any

from emulator import learning, tokens
from emulator.jobs import TunedModel

SIMILARITY_MIN = 0.27  # paraphrases lie above, questions about something else below, as far as tried
QUESTION_CHARACTERS_MAX = 2_000
GENERATED_TOKENS_MAX = 80
PUPILS_KEPT = 4


def base_answer(messages: list[dict[str, Any]]) -> str:
    """What a model says that was never taught about this."""
    question = re.split(r"(?<=[.?!])\s", _question(messages).strip(), maxsplit=1)[0].rstrip(".?!")
    topic = " ".join(question.split()[:12])
    about = f' about "{topic}"' if topic else ""
    return f"I don't have specific information{about}. Could you give me more context?"


def _question(messages: list[dict[str, Any]]) -> str:
    """The text last said by somebody else than the assistant."""
    return next((tokens.text_of(one) for one in reversed(messages) if one["role"] not in ("assistant", "system")), "")


def _system(messages: list[dict[str, Any]]) -> str:
    return "\n".join(tokens.text_of(message) for message in messages if message["role"] in ("system", "developer"))


def _trigrams(text: str) -> set[str]:
    """Runs of three characters, which work in every script; case and spacing do not count."""
    padded = f"  {' '.join(text[:QUESTION_CHARACTERS_MAX].lower().split())} "
    return {padded[index : index + 3] for index in range(len(padded) - 2)}


def _whole(messages: list[dict[str, Any]]) -> str:
    return json.dumps([[message["role"], tokens.text_of(message)] for message in messages])


@dataclass(frozen=True)
class Remembered:
    """One assistant message of a training file and the system prompt it was given under."""

    system: str
    answer: dict[str, Any]


class Pupil:
    """What a tuned model knows: taught answers, found by likeness of the question, and n-grams for the rest."""

    def __init__(self, model: TunedModel) -> None:
        self._encoding = tokens.encoding_of(model.base.id)
        self._seed = model.seed
        self._taught: list[Remembered] = []
        self._by_conversation: dict[str, int] = {}
        self._postings: dict[str, list[int]] = defaultdict(list)
        self._grams = learning.NGrams()
        for taught in model.taught:
            for conversation in taught.conversations():
                self._remember(conversation)
            self._grams.learn_all(taught.lessons(self._encoding, model.seed, learning.LEARNED_TOKENS_MAX))
        self._norms = [0.0] * len(self._taught)
        for gram, where in self._postings.items():
            for index in where:
                self._norms[index] += self._weight(gram) ** 2

    def _remember(self, messages: list[dict[str, Any]]) -> None:
        for position, message in enumerate(messages):
            if message["role"] == "assistant" and message.get("weight", 1):
                before, index = messages[:position], len(self._taught)
                self._taught.append(Remembered(_system(before), message))
                self._by_conversation[_whole(before)] = index
                for gram in _trigrams(_question(before)):
                    self._postings[gram].append(index)

    def _weight(self, gram: str) -> float:
        """Inverse document frequency: rare trigrams tell questions apart."""
        return math.log(1 + len(self._taught) / (1 + len(self._postings.get(gram, ()))))

    def answer(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The assistant message for this conversation; always the same for the same conversation."""
        index = self._by_conversation.get(_whole(messages))
        if index is None:
            index = self._nearest(messages)
        return (
            self._taught[index].answer
            if index is not None
            else {"role": "assistant", "content": self._generate(messages)}
        )

    def _nearest(self, messages: list[dict[str, Any]]) -> int | None:
        """The taught question nearest by cosine of weighted trigrams, of equals one under the same system prompt.

        None when none is near enough.
        """
        asked = _trigrams(_question(messages))
        weights = {gram: self._weight(gram) ** 2 for gram in asked}
        shared: dict[int, float] = defaultdict(float)
        for gram, weight in weights.items():
            for index in self._postings.get(gram, ()):
                shared[index] += weight
        norm, system = sum(weights.values()), _system(messages)
        similarity = {index: total / math.sqrt(norm * self._norms[index]) for index, total in shared.items()}
        best = max(
            similarity,
            key=lambda index: (round(similarity[index], 9), self._taught[index].system == system),
            default=None,
        )
        return best if best is not None and similarity[best] >= SIMILARITY_MIN else None

    def _generate(self, messages: list[dict[str, Any]]) -> str:
        prompt = next(
            learning.lessons_of([*messages, {"role": "assistant", "content": "", "weight": 1}], self._encoding)
        )
        digest = hashlib.sha256(f"{self._seed} {_whole(messages)}".encode()).digest()
        rng = random.Random(digest)
        said = tokens.decode(self._grams.generate(prompt, at_most=GENERATED_TOKENS_MAX, rng=rng), self._encoding)
        return said.strip() or base_answer(messages)


class Pupils:
    """The last few tuned models that were asked something, built from their training files when first needed."""

    def __init__(self) -> None:
        self._pupils: OrderedDict[tuple[object, ...], asyncio.Future[Pupil]] = OrderedDict()

    async def of(self, model: TunedModel) -> Pupil:
        key = (tokens.encoding_of(model.base.id), model.seed, *(taught.key for taught in model.taught))
        if key not in self._pupils:
            self._pupils[key] = asyncio.ensure_future(asyncio.to_thread(Pupil, model))
            if len(self._pupils) > PUPILS_KEPT:
                self._pupils.popitem(last=False)
        self._pupils.move_to_end(key)
        # Shielded: several requests may wait for one pupil; one of them leaving must not take it from the others.
        return await asyncio.shield(self._pupils[key])
