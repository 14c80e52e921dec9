"""Reinforcement training that really learns, little: which field of an item the grader rewards as the answer.

The policy is a softmax over the fields of the items (and over admitting ignorance), moved by the rewards its samples
earn above their running mean (REINFORCE). Every reward is what the job's grader gave.
"""

from __future__ import annotations

import json
import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulator import graders
from emulator.learning import CHECKPOINTS_KEPT, Schedule, share
from emulator.lessons import as_answer
from emulator.validation import lines_of

Item = dict[str, Any]
IGNORANCE = "I don't know."
LEARNING_RATE = 0.5
RUNS_MAX = 6_000
EVALUATED_MAX = 50
EVALUATIONS_AUTO = 10


@dataclass(frozen=True)
class Evaluation:
    """The mean reward over the validation items, and the share of samples the grader could not read."""

    reward: float
    parse_error: float


@dataclass(frozen=True)
class RewardTrace:
    """What was measured; steps count from 1. `says` is the field the policy prefers in the end (None: ignorance)."""

    rewards: array[float]
    evaluations: dict[int, Evaluation]
    says: str | None

    def metrics(self, step: int) -> dict[str, Any]:
        """The measurements of one step, as in the guide's sample: flat, and once more in `scores` (§6)."""
        reward, evaluation = round(self.rewards[step - 1], 5), self.evaluations.get(step)
        valid = round(evaluation.reward, 5) if evaluation else None
        flat: dict[str, Any] = {"step": step, "train_mean_reward": reward}
        if evaluation:
            flat |= {"full_valid_mean_reward": valid, "full_valid_mean_parse_error": round(evaluation.parse_error, 5)}
        return {
            **flat,
            "mean_unresponsive_rewards": 0.0,
            "reasoning_tokens_mean": 0.0,
            "model_graders_token_usage": {},
            "scores": {"train_reward_mean": reward, "valid_reward_mean": valid, "graders": []},
        }

    @staticmethod
    def message(metrics: dict[str, Any], total_steps: int) -> str:
        """What the event of a step says; the space before the comma is OpenAI's."""
        said = f"Step {metrics['step']}/{total_steps} , train mean reward={metrics['train_mean_reward']:.2f}"
        if "full_valid_mean_reward" in metrics:
            said += f", full validation mean reward={metrics['full_valid_mean_reward']:.2f}"
            said += f", full validation mean parse error={metrics['full_valid_mean_parse_error']:.2f}"
        return said

    def milestones(self, _schedule: Schedule) -> Sequence[int]:
        """The steps after which there is a checkpoint: each evaluation."""
        return list(self.evaluations)

    def kept(self, reached: Sequence[int]) -> list[int]:
        """Of the milestones reached those whose checkpoints are kept: the three best rewards, of equals the latest."""
        best = sorted(reached, key=lambda step: (self.evaluations[step].reward, step))
        return sorted(best[-CHECKPOINTS_KEPT:])

    def results_csv(self) -> bytes:
        """A row per step, validation cells blank where nothing was evaluated."""
        rows = ["step,train_mean_reward,full_valid_mean_reward,full_valid_mean_parse_error"]
        for step, reward in enumerate(self.rewards, 1):
            evaluation = self.evaluations.get(step)
            valid = f"{evaluation.reward:.5f},{evaluation.parse_error:.5f}" if evaluation else ","
            rows.append(f"{step},{reward:.5f},{valid}")
        return "\n".join([*rows, ""]).encode()


class Policy:
    """Which field to answer with; None is admitting ignorance."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._scores: dict[str | None, float] = dict.fromkeys([None, *fields], 0.0)

    @property
    def preferred(self) -> str | None:
        return max(self._scores, key=self._scores.__getitem__)

    def draw(self, rng: random.Random) -> str | None:
        return rng.choices(list(self._scores), [math.exp(score) for score in self._scores.values()])[0]

    def reinforce(self, choice: str | None, advantage: float) -> None:
        self._scores[choice] = max(-20.0, min(20.0, self._scores[choice] + LEARNING_RATE * advantage))


def items_of(data: bytes, seed: int, most: int) -> list[Item]:
    """The items of a valid file, or a sample of so many."""
    lines = lines_of(data)
    random.Random(seed).shuffle(lines)
    return [json.loads(line) for line in lines[:most]]


def train(grader: dict[str, Any], schedule: Schedule, training: bytes, validation: bytes, interval: int) -> RewardTrace:
    """Let the policy try the items of the training file, step by step, and evaluate it every `interval` steps.

    Of a big file a sample is tried, spread over the true number of steps; a step without one repeats the mean so far.
    """
    rng = random.Random(schedule.seed)
    items = items_of(training, schedule.seed, max(10, RUNS_MAX // schedule.n_epochs))
    judges = items_of(validation, schedule.seed, EVALUATED_MAX)
    policy = Policy(sorted({key for item in items for key in item} - {"messages", "tools"}))
    trace, mean = array("d"), 0.0
    evaluations: dict[int, Evaluation] = {}
    for _epoch in range(schedule.n_epochs):
        order = rng.sample(items, len(items))
        for index in range(schedule.steps_per_epoch):
            rewards = []
            for item in share(order, index, schedule.steps_per_epoch):
                choice = policy.draw(rng)
                rewards.append(_graded(grader, choice, item).reward)
                policy.reinforce(choice, rewards[-1] - mean)
                mean += (rewards[-1] - mean) * 0.1
            trace.append(sum(rewards) / len(rewards) if rewards else mean)
            if len(trace) % interval == 0 or len(trace) == schedule.total_steps:
                evaluations[len(trace)] = _evaluated(grader, policy, judges)
    return RewardTrace(trace, evaluations, policy.preferred)


def _graded(grader: dict[str, Any], choice: str | None, item: Item) -> graders.Grade:
    sample = as_answer(item[choice]) if choice is not None and choice in item else IGNORANCE
    return graders.run(grader, sample, item)


def _evaluated(grader: dict[str, Any], policy: Policy, items: list[Item]) -> Evaluation:
    grades = [_graded(grader, policy.preferred, item) for item in items]
    unread = sum("sample_parse_error" in grade.errors for grade in grades)
    return Evaluation(sum(grade.reward for grade in grades) / len(grades), unread / len(grades))
