"""What only one method's measures show: pairs that are not told apart, graders that teach nothing. Pure.

The thresholds are ours.
"""

from typing import Final

from service.jobs.advice.curves import Curve
from service.jobs.advice.findings import Advice, Code, Run, series

GUESSING: Final = 0.6  # of the pairs told apart: little better than the half that a coin gets
GAP: Final = 0.2  # between pairs told apart in training and in validation
NEVER_VARIES: Final = 0.01  # of the highest reward: less is no difference
PARSE_ERRORS: Final = 0.05  # of the answers
_REWARDS_FROM: Final = 3


def told_apart_in_training_only(run: Run) -> Advice | None:
    train = Curve.of_gains(series(run.steps, "train_preference_accuracy"))
    valid = Curve.of_gains(series(run.steps, "valid_preference_accuracy"))
    if train is None or valid is None:
        return None
    seen, unseen = train.shown(train.end), valid.shown(valid.end)
    if seen - unseen < GAP:
        return None
    return Advice(
        Code.OVERFITTING,
        f"{seen:.0%} of the training pairs are told apart in the end, but only {unseen:.0%} of those for validation.",
        {"end_train_preference_accuracy": seen, "end_valid_preference_accuracy": unseen},
        run.stop_at(train.steps[-1] // 2),
    )


def preferences_not_learned(run: Run) -> Advice | None:
    curve = Curve.of_gains(series(run.steps, "train_preference_accuracy"))
    if not run.facts.is_complete or curve is None or curve.shown(curve.end) >= GUESSING:
        return None
    return Advice(
        Code.PREFERENCES_NOT_LEARNED,
        "Preferred and rejected answers are told apart little better than by guessing: are the pairs consistent?",
        {"end_train_preference_accuracy": curve.shown(curve.end)},
    )


def reward_flat(run: Run) -> Advice | None:
    """A grader whose score never varies is accepted but teaches nothing (openai.md §3.4)."""
    rewards = [value for _, value in series(run.steps, "train_mean_reward")]
    if len(rewards) < _REWARDS_FROM or max(rewards) - min(rewards) > NEVER_VARIES * max(map(abs, rewards)):
        return None
    return Advice(
        Code.REWARD_FLAT,
        "The grader gave every answer nearly the same reward: there was nothing to learn from. Make it tell better "
        "answers from worse ones.",
        {"lowest_train_reward": min(rewards), "highest_train_reward": max(rewards), "steps": len(rewards)},
    )


def parse_errors(run: Run) -> Advice | None:
    errors = series(run.steps, "full_valid_mean_parse_error")
    if not errors or errors[-1][1] < PARSE_ERRORS:
        return None
    return Advice(
        Code.PARSE_ERRORS,
        f"The grader could not read {errors[-1][1]:.0%} of the answers: they earn nothing, however good they are. Ask "
        "for a format, or make the grader more tolerant.",
        {"step": errors[-1][0], "full_valid_mean_parse_error": errors[-1][1]},
    )
