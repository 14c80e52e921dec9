"""A language model that really learns: n-grams over real tokens, taught online, example by example.

Each context (nothing; the last token; the last two; the last two within this very prompt) counts what followed it. A
prediction interpolates them with absolute discounting (Ney, Essen and Kneser 1994), from a uniform start over the
vocabulary. It knows nothing before the first example and memorises what it sees again in later epochs. Its losses and
accuracies are true: measured before each batch is learned, in nats per token of the assistant's messages. Messages of
weight 0 are context only.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from emulator import tokens

VOCABULARY = 200_000
DISCOUNT = 0.5
LEARNED_TOKENS_MAX = 300_000
EVALUATED_TOKENS_MAX = 20_000
EVALUATIONS_MAX = 50
CHECKPOINTS_KEPT = 3

END = -1
T = TypeVar("T")
ROLE_MARKS = {
    role: -2 - index for index, role in enumerate(("system", "developer", "user", "assistant", "tool", "function"))
}


@dataclass(slots=True)
class Followers:
    """What came after one context."""

    total: int = 0
    likeliest: int = END
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, token: int) -> None:
        seen = self.counts.get(token, 0) + 1
        self.counts[token] = seen
        self.total += 1
        if seen >= self.counts.get(self.likeliest, 0):
            self.likeliest = token


class Measured(NamedTuple):
    """A loss summed over so many (tokens, or pairs of answers), and how many of the answer's tokens were foreseen."""

    loss: float
    of: int
    hits: int
    tokens: int


class Teachable(Protocol):
    """Something to be learned, that tells how well a model knows it already; its size is in tokens."""

    @property
    def size(self) -> int: ...
    def measured_by(self, model: NGrams) -> Measured: ...
    def teach(self, model: NGrams) -> None: ...


@dataclass(frozen=True)
class Lesson:
    """One assistant message to be learned: its tokens, the two before, and a hash of all before (`anchor`)."""

    before: tuple[int, int]
    anchor: int
    answer: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.answer)

    def measured_by(self, model: NGrams) -> Measured:
        loss, hits = model.measure(self)
        return Measured(loss, self.size, hits, self.size)

    def teach(self, model: NGrams) -> None:
        model.learn(self)


def lessons_of(messages: list[dict[str, Any]], encoding: str) -> Iterator[Lesson]:
    """The assistant messages of an example (weight 0 left out), each ending with the END token."""
    history: list[int] = []
    for message in messages:
        said = tokens.encode(tokens.text_of(message), encoding)
        mark = ROLE_MARKS[message["role"]]
        if message["role"] == "assistant" and message.get("weight", 1):
            yield Lesson((history[-1] if history else END, mark), hash(tuple(history)), (*said, END))
        history += [mark, *said]


class NGrams:
    """The model itself."""

    def __init__(self) -> None:
        self._followers: dict[Hashable, Followers] = {}

    @staticmethod
    def _contexts(lesson: Lesson) -> Iterator[tuple[tuple[Hashable, ...], int]]:
        """For every token of the answer: its contexts from the shortest to the longest, and the token."""
        before, last = lesson.before
        for token in lesson.answer:
            yield (None, last, (before, last), (lesson.anchor, before, last)), token
            before, last = last, token

    def measure(self, lesson: Lesson) -> tuple[float, int]:
        """(Sum of -ln p over the answer, number of tokens the model would have put first). Learns nothing."""
        followers = self._followers
        loss, hits = 0.0, 0
        for contexts, token in self._contexts(lesson):
            probability, likeliest = 1 / VOCABULARY, None
            for context in contexts:
                known = followers.get(context)
                if known is None:
                    break
                counts = known.counts
                seen = counts.get(token, 0)
                backed_off = DISCOUNT * len(counts) * probability
                probability = ((seen - DISCOUNT if seen else 0) + backed_off) / known.total
                likeliest = known.likeliest
            loss -= math.log(probability)
            hits += likeliest == token
        return loss, hits

    def learn(self, lesson: Lesson) -> None:
        followers = self._followers
        for contexts, token in self._contexts(lesson):
            for context in contexts:
                known = followers.get(context)
                if known is None:
                    known = followers[context] = Followers()
                known.add(token)

    def learn_all(self, examples: Iterable[Sequence[Lesson]]) -> None:
        for example in examples:
            for lesson in example:
                self.learn(lesson)

    def generate(self, prompt: Lesson, *, at_most: int, rng: random.Random) -> list[int]:
        """An answer to the prompt of `prompt` (its `answer` is ignored), drawn token by token."""
        before, last = prompt.before
        answer: list[int] = []
        while len(answer) < at_most:
            token = self._draw((None, last, (before, last), (prompt.anchor, before, last)), rng)
            if token == END:
                break
            answer.append(token)
            before, last = last, token
        return answer

    def _draw(self, contexts: tuple[Hashable, ...], rng: random.Random) -> int:
        for context in reversed(contexts):
            known = self._followers.get(context)
            if known and rng.random() >= DISCOUNT * len(known.counts) / known.total / 2:
                return rng.choices(list(known.counts), list(known.counts.values()))[0]
        return END


@dataclass(frozen=True)
class Measurement:
    """Mean loss in nats per token, and the share of tokens predicted right."""

    loss: float
    accuracy: float


def measure_all(model: NGrams, lessons: Iterable[Teachable], otherwise: Measurement) -> Measurement:
    """The mean over all tokens of the lessons; `otherwise` when there are none."""
    measured = [lesson.measured_by(model) for lesson in lessons]
    if not measured:
        return otherwise
    loss, of, hits, count = (sum(column) for column in zip(*measured, strict=True))
    return Measurement(loss / of, hits / count)


@dataclass(frozen=True)
class Schedule:
    """How often and in which pieces a file is gone through."""

    examples: int
    n_epochs: int
    batch_size: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.n_epochs


@dataclass(frozen=True)
class Trace:
    """What was measured while learning; steps count from 1, so step n is at index n - 1 of the arrays."""

    losses: array[float]
    accuracies: array[float]
    valid: dict[int, Measurement]
    full_valid: dict[int, Measurement]

    def metrics(self, step: int) -> dict[str, Any]:
        """The measurements of one step (§6); those of the validation file where they were made."""
        train = Measurement(self.losses[step - 1], self.accuracies[step - 1])
        measured = {"train": train, "valid": self.valid.get(step), "full_valid": self.full_valid.get(step)}
        metrics: dict[str, Any] = {"step": step}
        for name, measurement in measured.items():
            if measurement:
                metrics[f"{name}_loss"] = round(measurement.loss, 5)
                metrics[f"{name}_mean_token_accuracy"] = round(measurement.accuracy, 5)
        return metrics

    @staticmethod
    def message(metrics: dict[str, Any], total_steps: int) -> str:
        """What the event of a step says."""
        said = f"Step {metrics['step']}/{total_steps}: training loss={metrics['train_loss']:.2f}"
        for key, words in (("valid_loss", "validation loss"), ("full_valid_loss", "full validation loss")):
            if key in metrics:
                said += f", {words}={metrics[key]:.2f}"
        return said

    @staticmethod
    def milestones(schedule: Schedule) -> Sequence[int]:
        """The steps after which there is a checkpoint: the end of each epoch."""
        return range(schedule.steps_per_epoch, schedule.total_steps + 1, schedule.steps_per_epoch)

    @staticmethod
    def kept(reached: Sequence[int]) -> list[int]:
        """Of the milestones reached those whose checkpoints are kept: the last three."""
        return list(reached[-CHECKPOINTS_KEPT:])

    def results_csv(self) -> bytes:
        """step_metrics.csv (§6): a row per step, validation cells blank on most."""
        rows = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        for step, (loss, accuracy) in enumerate(zip(self.losses, self.accuracies, strict=True), 1):
            valid = self.valid.get(step)
            rows.append(
                f"{step},{loss:.5f},{accuracy:.5f}," + (f"{valid.loss:.5f},{valid.accuracy:.5f}" if valid else ",")
            )
        return "\n".join([*rows, ""]).encode()


def train(
    model: NGrams,
    schedule: Schedule,
    examples: Sequence[Sequence[Teachable]],
    validation: Sequence[Sequence[Teachable]],
) -> Trace:
    """Teach `model` the examples, epoch by epoch in seeded shuffled order; return what each step measured first.

    `examples` may be a sample of a big file: then the steps are still those of the whole file, each gets its share of
    the sample, and a step whose share is empty repeats the measurement before it.
    """
    rng = random.Random(schedule.seed)
    trace = Trace(array("d"), array("d"), {}, {})
    latest = Measurement(math.log(VOCABULARY), 0.0)
    evaluate_every = -(-schedule.total_steps // EVALUATIONS_MAX)
    for _epoch in range(schedule.n_epochs):
        order = rng.sample(examples, len(examples))
        for index in range(schedule.steps_per_epoch):
            batch = [lesson for example in share(order, index, schedule.steps_per_epoch) for lesson in example]
            latest = measure_all(model, batch, latest)
            trace.losses.append(latest.loss)
            trace.accuracies.append(latest.accuracy)
            step = len(trace.losses)
            if validation and (step % evaluate_every == 0 or step == 1):
                part = [lesson for example in rng.sample(validation, min(8, len(validation))) for lesson in example]
                trace.valid[step] = measure_all(model, part, latest)
            for lesson in batch:
                lesson.teach(model)
        if validation:
            trace.full_valid[step] = measure_all(model, [one for example in validation for one in example], latest)
    return trace


def share(order: Sequence[T], index: int, parts: int) -> Sequence[T]:
    """The part of that index when all is cut into so many parts of nearly one size."""
    start, end = (len(order) * position // parts for position in (index, index + 1))
    return order[start:end]
