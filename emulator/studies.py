"""What becomes of a job: worked out in a thread, once per file and hyperparameters, for all jobs that ask the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emulator import learning, preference, reinforcement, tokens
from emulator.catalog import BaseModel
from emulator.learning import Schedule, Teachable, Trace
from emulator.lessons import Content, Taught, pairs_of, sampled
from emulator.methods import DPO, REINFORCEMENT, Method
from emulator.reinforcement import RewardTrace
from emulator.validation import EXAMPLES_MIN, ITEMS_MAX, Examined, examine

LEARNING_RATE_MULTIPLIER_AUTO = 1.8


@dataclass(frozen=True)
class Failure:
    """Why a job fails; `{file}` in the message stands for the file's id."""

    code: str
    message: str
    param: str | None


@dataclass(frozen=True)
class Training:
    """The job will train: how, by which hyperparameters, for how many tokens, and what its steps will measure.

    `trained_tokens` is None for reinforcement, which is billed by time.
    """

    schedule: Schedule
    hyperparameters: dict[str, Any]
    trained_tokens: int | None
    trace: Trace | RewardTrace

    @cached_property
    def results_csv(self) -> bytes:
        return self.trace.results_csv()

    @property
    def says(self) -> str | None:
        """After reinforcement: the field of the items the model answers with."""
        return self.trace.says if isinstance(self.trace, RewardTrace) else None

    def tokens_after(self, steps: int) -> int:
        """Tokens billed when training stops after so many steps: their share of all, rounded down."""
        return (self.trained_tokens or 0) * steps // self.schedule.total_steps


Outcome = Failure | Training


@dataclass(frozen=True)
class Question:
    """Everything the outcome of a job depends on; `learned` is what the model it continues from knows, oldest first."""

    base: BaseModel
    learned: tuple[Taught, ...]
    training: Content
    validation: Content | None
    method: Method
    seed: int

    @property
    def key(self) -> tuple[object, ...]:
        return (
            tokens.encoding_of(self.base.id),
            self.base.tokens_per_example_max,
            tuple(taught.key for taught in self.learned),
            self.training.sha256,
            self.validation and self.validation.sha256,
            self.method,
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
        training = self._examine(question, question.training)
        if training.problem is None and training.examples < EXAMPLES_MIN:
            message = (
                f"Training file has {training.examples} example(s), but must have at least {EXAMPLES_MIN} examples"
            )
            return Failure("invalid_n_examples", message, "training_file")
        if problem := training.problem or _too_many(question, "training", training):
            return _invalid("training", problem)
        if question.validation is not None:
            validation = self._examine(question, question.validation)
            problem = validation.problem or _too_many(question, "validation", validation)
            if problem or not validation.examples:
                return _invalid("validation", problem or "The file has no examples")
        schedule = Schedule(
            examples=training.examples,
            n_epochs=question.method.asked("n_epochs") or epochs_auto(training.examples),
            batch_size=question.method.asked("batch_size") or batch_size_auto(training.examples),
            seed=question.seed,
        )
        if question.method.kind == REINFORCEMENT:
            return _reinforced(question, schedule)
        return _taught(question, schedule, training.tokens * schedule.n_epochs)

    def _examine(self, question: Question, content: Content) -> Examined:
        encoding, most = tokens.encoding_of(question.base.id), question.base.tokens_per_example_max
        key = (encoding, most, question.method.kind, content.sha256)
        if key not in self._examined:
            self._examined[key] = examine(content.data, encoding, most, question.method.kind)
        return self._examined[key]


def _taught(question: Question, schedule: Schedule, trained_tokens: int) -> Training:
    """Training on answers: those of the examples, or of preferences the preferred ones."""
    encoding, seed, method = tokens.encoding_of(question.base.id), question.seed, question.method
    beta = method.asked("beta") or preference.BETA_AUTO
    model = learning.NGrams()
    for taught in question.learned:
        model.learn_all(taught.lessons(encoding, seed, learning.LEARNED_TOKENS_MAX))

    def sample(content: Content, tokens_max: int) -> Sequence[Sequence[Teachable]]:
        if method.kind == DPO:
            # Read before the model learns more: it is its own reference.
            return sampled(content.data, seed, tokens_max, lambda example: pairs_of(example, encoding, model, beta))
        return Taught(content).lessons(encoding, seed, tokens_max)

    examples = sample(question.training, learning.LEARNED_TOKENS_MAX // schedule.n_epochs)
    validation = sample(question.validation, learning.EVALUATED_TOKENS_MAX) if question.validation else []
    trace = learning.train(model, schedule, examples, validation)
    decided = _decided(method, schedule) | ({"beta": beta} if method.kind == DPO else {})
    return Training(schedule, decided, trained_tokens, trace)


def _reinforced(question: Question, schedule: Schedule) -> Training:
    assert question.validation
    method = question.method
    interval = method.asked("eval_interval") or -(-schedule.total_steps // reinforcement.EVALUATIONS_AUTO)
    trace = reinforcement.train(method.grader, schedule, question.training.data, question.validation.data, interval)
    decided = _decided(method, schedule) | {
        "eval_interval": interval,
        "eval_samples": method.asked("eval_samples") or 1,
        "compute_multiplier": method.asked("compute_multiplier") or 1.0,
    }
    return Training(schedule, decided, None, trace)


def _decided(method: Method, schedule: Schedule) -> dict[str, Any]:
    return {
        "n_epochs": schedule.n_epochs,
        "batch_size": schedule.batch_size,
        "learning_rate_multiplier": method.asked("learning_rate_multiplier") or LEARNING_RATE_MULTIPLIER_AUTO,
    }


def _too_many(question: Question, which: str, examined: Examined) -> str | None:
    if question.method.kind != REINFORCEMENT or examined.examples <= ITEMS_MAX[which]:
        return None
    return f"The file has {examined.examples} examples, but reinforcement takes at most {ITEMS_MAX[which]}."


def _invalid(which: str, problem: str) -> Failure:
    message = f"The job failed due to an invalid {which} file. {problem}"
    return Failure(f"invalid_{which}_file", message, f"{which}_file")
