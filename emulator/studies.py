"""What becomes of a job: worked out in a thread, once per file and hyperparameters, for all jobs that ask the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from emulator import learning, tokens
from emulator.catalog import BaseModel
from emulator.learning import Schedule, Trace
from emulator.validation import EXAMPLES_MIN, Examined, examine, lines_of

LEARNING_RATE_MULTIPLIER_AUTO = 1.8


@dataclass(frozen=True)
class Content:
    """The bytes of a file and their SHA-256 (hexadecimal)."""

    data: bytes
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Content:
        return cls(data, hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Hyperparameters:
    """As asked for: None is "auto"."""

    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None


@dataclass(frozen=True)
class Failure:
    """The job will fail at the end of its validation; `{file}` in the message stands for the file's id."""

    code: str
    message: str
    param: str


@dataclass(frozen=True)
class Training:
    """The job will train: how, for how many tokens, and what its steps will measure."""

    schedule: Schedule
    learning_rate_multiplier: float
    trained_tokens: int
    trace: Trace

    @cached_property
    def results_csv(self) -> bytes:
        """step_metrics.csv (§6): a row per step, validation cells blank on most."""
        rows = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        for step, (loss, accuracy) in enumerate(zip(self.trace.losses, self.trace.accuracies, strict=True), 1):
            valid = self.trace.valid.get(step)
            rows.append(
                f"{step},{loss:.5f},{accuracy:.5f}," + (f"{valid.loss:.5f},{valid.accuracy:.5f}" if valid else ",")
            )
        return "\n".join([*rows, ""]).encode()

    def tokens_after(self, steps: int) -> int:
        """Tokens billed when training stops after so many steps: their share of all, rounded down."""
        return self.trained_tokens * steps // self.schedule.total_steps


Outcome = Failure | Training


@dataclass(frozen=True)
class Question:
    """Everything the outcome of a job depends on; `learned` is what the model it continues from knows, oldest first."""

    base: BaseModel
    learned: tuple[Content, ...]
    training: Content
    validation: Content | None
    hyperparameters: Hyperparameters
    seed: int

    @property
    def key(self) -> tuple[object, ...]:
        return (
            tokens.encoding_of(self.base.id),
            self.base.tokens_per_example_max,
            tuple(content.sha256 for content in self.learned),
            self.training.sha256,
            self.validation and self.validation.sha256,
            self.hyperparameters,
            self.seed,
        )


def epochs_auto(examples: int) -> int:
    """The data-preparation notebook's rule: three, more for small files, fewer for huge ones (§3.7)."""
    if examples * 3 < 100:
        return min(25, max(1, 100 // examples))
    if examples * 3 > 25_000:
        return max(1, 25_000 // examples)
    return 3


def batch_size_auto(examples: int) -> int:
    """0.2 % of the examples, 1 to 256 (the rule of the legacy API, §4.3; today's is unpublished)."""
    return max(1, min(256, math.ceil(examples * 0.002)))


class Studies:
    """Answers questions about jobs, each at most once."""

    def __init__(self) -> None:
        # Two: a huge file must not keep the small ones waiting, and more would only fight for the interpreter.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="study")
        self._outcomes: dict[tuple[object, ...], asyncio.Future[Outcome]] = {}
        self._examined: dict[tuple[object, ...], Examined] = {}

    def begin(self, question: Question) -> asyncio.Future[Outcome]:
        """The outcome, under way or already known."""
        if question.key not in self._outcomes:
            self._outcomes[question.key] = asyncio.get_running_loop().run_in_executor(
                self._threads, self._outcome, question
            )
        return self._outcomes[question.key]

    def _outcome(self, question: Question) -> Outcome:
        training = self._examine(question.base, question.training)
        if training.problem is None and training.examples < EXAMPLES_MIN:
            message = (
                f"Training file has {training.examples} example(s), but must have at least {EXAMPLES_MIN} examples"
            )
            return Failure("invalid_n_examples", message, "training_file")
        if training.problem is not None:
            return _invalid("training", training.problem)
        if question.validation is not None:
            validation = self._examine(question.base, question.validation)
            if validation.problem is not None or not validation.examples:
                return _invalid("validation", validation.problem or "The file has no examples")
        return self._train(question, training)

    def _examine(self, base: BaseModel, content: Content) -> Examined:
        key = (tokens.encoding_of(base.id), base.tokens_per_example_max, content.sha256)
        if key not in self._examined:
            self._examined[key] = examine(content.data, tokens.encoding_of(base.id), base.tokens_per_example_max)
        return self._examined[key]

    def _train(self, question: Question, examined: Examined) -> Training:
        asked, encoding = question.hyperparameters, tokens.encoding_of(question.base.id)
        schedule = Schedule(
            examples=examined.examples,
            n_epochs=asked.n_epochs or epochs_auto(examined.examples),
            batch_size=asked.batch_size or batch_size_auto(examined.examples),
            seed=question.seed,
        )
        examples = lessons_sampled(
            question.training.data, encoding, learning.LEARNED_TOKENS_MAX // schedule.n_epochs, question.seed
        )
        validation = (
            lessons_sampled(question.validation.data, encoding, learning.EVALUATED_TOKENS_MAX, question.seed)
            if question.validation
            else []
        )
        model = learning.NGrams()
        for content in question.learned:
            model.learn_all(lessons_sampled(content.data, encoding, learning.LEARNED_TOKENS_MAX, question.seed))
        trace = learning.train(model, schedule, examples, validation)
        rate = asked.learning_rate_multiplier or LEARNING_RATE_MULTIPLIER_AUTO
        return Training(schedule, rate, examined.tokens * schedule.n_epochs, trace)


def _invalid(which: str, problem: str) -> Failure:
    message = f"The job failed due to an invalid {which} file. {problem}"
    return Failure(f"invalid_{which}_file", message, f"{which}_file")


def lessons_sampled(data: bytes, encoding: str, tokens_max: int, seed: int) -> list[list[learning.Lesson]]:
    """The lessons of a valid file, example by example; of a big one, a sample of about `tokens_max` answer tokens.

    Lines are drawn before they are read, so that a huge file costs little more than a small one.
    """
    lines = lines_of(data)
    random.Random(seed).shuffle(lines)
    sampled: list[list[learning.Lesson]] = []
    used = 0
    for line in lines:
        lessons = list(learning.lessons_of(json.loads(line)["messages"], encoding))
        used += sum(len(lesson.answer) for lesson in lessons)
        if sampled and used > tokens_max:
            break
        sampled.append(lessons)
    return sampled
