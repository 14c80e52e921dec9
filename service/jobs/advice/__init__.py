"""What a job's curves advise: each finding with its numbers. Pure; `course` says whose the thresholds are."""

from collections.abc import Iterable
from typing import Final

from service.jobs.advice.course import divergence, overfitting, plateau, underfitting
from service.jobs.advice.findings import Advice, Code, Facts, Suggestion, run_of
from service.jobs.advice.methods import parse_errors, preferences_not_learned, reward_flat, told_apart_in_training_only
from service.jobs.measures import Measured

__all__ = ["Advice", "Code", "Facts", "Suggestion", "advise"]

EXAMPLES_ADVISED: Final = 50  # "50-100 advised" (openai.md §3.6)


def advise(facts: Facts, steps: Iterable[Measured]) -> list[Advice]:
    """Everything the curves and facts advise, the gravest first; nothing where nothing stands out."""
    ordered = sorted(steps, key=lambda one: one.step)
    found: list[Advice | None] = []
    if ordered:
        run = run_of(facts, ordered)
        # Of these the first is told: a training that fell apart is not asked whether it learned too much.
        courses = (reward_flat, divergence, overfitting, told_apart_in_training_only, underfitting, plateau)
        course = next((advice for judge in courses if (advice := judge(run)) is not None), None)
        found = [course, preferences_not_learned(run), parse_errors(run)]
    found.append(_too_few_examples(facts))
    return [one for one in found if one is not None]


def _too_few_examples(facts: Facts) -> Advice | None:
    if not 0 < facts.examples < EXAMPLES_ADVISED:
        return None
    return Advice(
        Code.TOO_FEW_EXAMPLES,
        f"{facts.examples} examples are few: {EXAMPLES_ADVISED} to 100 good ones are advised before tuning epochs.",
        {"examples": facts.examples, "advised": EXAMPLES_ADVISED},
    )
