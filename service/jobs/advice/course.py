"""How a training went: did it fall apart, learn too much, too little, or nothing for long? Pure.

This is the usual reading of learning curves. The thresholds are ours, chosen on drawn curves and on the emulator's
trainings; no provider vouches for them. They are shares of a curve's own height or fall, so that the unit of a loss
does not matter, and whatever is called a rise or a fall must stand three times out of the noise.
"""

from typing import Final

from service.jobs.advice.curves import Curve
from service.jobs.advice.findings import EPOCHS_MAX, VALIDATED_FROM, Advice, Code, Facts, Run, Suggestion, series

RISE: Final = 0.05  # of its height: so much a validation curve rises at least where it overfits
COLLAPSE: Final = 0.5  # of its height, and half of that of its whole fall: so much a diverging curve rises at least
STILL_FALLING: Final = 0.5  # the last third brought at least so much of what the middle one brought
FLAT: Final = 0.02  # of its height: less is no improvement
KNOWN_BY_HEART: Final = 0.99  # of the tokens foreseen; or 1 % of the loss left
_SIGMAS: Final = 3.0
_LOST_STEPS: Final = 3  # so many steps without any number at the end are no accident
_JUDGED_FROM: Final = 6  # values; from fewer nothing is said of a course


def divergence(run: Run) -> Advice | None:
    """Numbers that end, or a training curve that turns round for good."""
    return _lost(run) or _grown(run)


def _lost(run: Run) -> Advice | None:
    """NaN and infinity are told as no number at all."""
    with_number = [index for index, one in enumerate(run.steps) if any(v is not None for v in one.values.values())]
    if not with_number or len(run.steps) - 1 - with_number[-1] < _LOST_STEPS:
        return None
    last, first_lost = run.steps[with_number[-1]].step, run.steps[with_number[-1] + 1].step
    return Advice(
        Code.DIVERGENCE,
        f"From step {first_lost} on the {run.what} is no number: training fell apart. Lower the learning rate.",
        {"last_step_with_a_number": last, "steps_without": len(run.steps) - 1 - with_number[-1]},
        _slower(run.facts),
    )


def _grown(run: Run) -> Advice | None:
    curve = run.train
    if curve is None or len(curve) < _JUDGED_FROM or curve.best > len(curve) - 3:
        return None
    lowest = curve.values[curve.best]
    rise = curve.end - lowest
    if rise < max(COLLAPSE * abs(lowest), COLLAPSE / 2 * curve.span, _SIGMAS * curve.noise) or rise == 0:
        return None
    step = curve.steps[curve.best]
    return Advice(
        Code.DIVERGENCE,
        f"The training {run.what} was best about step {step} and became worse from there on. Lower the learning rate.",
        {
            "best_step": step,
            f"best_train_{run.what}": curve.shown(lowest),
            f"end_train_{run.what}": curve.shown(curve.end),
        },
        _slower(run.facts),
    )


def _slower(facts: Facts) -> Suggestion | None:
    multiplier = facts.learning_rate_multiplier
    return None if multiplier is None else Suggestion(learning_rate_multiplier=float(f"{multiplier / 2:.6g}"))


def overfitting(run: Run) -> Advice | None:
    """Validation becomes worse while training does not; without validation, examples known by heart."""
    if run.valid is None:
        return _known_by_heart(run)
    return _turned(run, run.valid)


def _turned(run: Run, valid: Curve) -> Advice | None:
    if len(valid) < VALIDATED_FROM or valid.best > len(valid) - 3:  # one worse value proves nothing
        return None
    lowest, step = valid.values[valid.best], valid.steps[valid.best]
    rise = valid.end - lowest
    if rise < max(RISE * max(abs(lowest), abs(valid.end)), _SIGMAS * valid.noise) or rise == 0:
        return None
    evidence = {
        "best_step": step,
        f"best_valid_{run.what}": valid.shown(lowest),
        f"end_valid_{run.what}": valid.shown(valid.end),
    }
    if run.train is not None:
        then = run.train.at(step)
        if run.train.end > then + _SIGMAS * run.train.noise:
            return None  # both become worse: that is something else
        evidence |= {
            f"train_{run.what}_then": run.train.shown(then),
            f"end_train_{run.what}": run.train.shown(run.train.end),
        }
    return Advice(
        Code.OVERFITTING,
        f"From about step {step} on the validation {run.what} became worse while training went on improving.",
        evidence,
        run.stop_at(step),
    )


def _known_by_heart(run: Run) -> Advice | None:
    if not run.facts.is_complete or run.train is None or run.what != "loss":
        return None
    accuracy = Curve.of_gains(series(run.steps, "train_mean_token_accuracy"))
    begin = run.train.values[0]
    curve, limit = run.train, (1 - KNOWN_BY_HEART) * begin
    if accuracy is not None and accuracy.shown(accuracy.end) >= KNOWN_BY_HEART:
        curve, limit = accuracy, KNOWN_BY_HEART / accuracy.scale
    since = next((step for step, value in zip(curve.steps, curve.values, strict=True) if value <= limit), None)
    if since is None or curve.end > limit or begin <= 0 or len(curve) < _JUDGED_FROM:
        return None
    evidence = {"since_step": since, "end_train_loss": run.train.shown(run.train.end)}
    if accuracy is not None:
        evidence["end_train_mean_token_accuracy"] = accuracy.shown(accuracy.end)
    return Advice(
        Code.OVERFITTING,
        f"From about step {since} on the model knew the training examples by heart. What that does to others only a "
        "validation dataset can tell.",
        evidence,
        run.stop_at(since),
    )


def underfitting(run: Run) -> Advice | None:
    """The curve still falls steeply at the end, and validation, where there is any, falls with it."""
    curve = run.train
    if not run.facts.is_complete or curve is None or len(curve) < _JUDGED_FROM:
        return None
    begin, middle, last = curve.thirds
    fall = middle - last
    if fall < max(STILL_FALLING * (begin - middle), RISE * abs(middle), _SIGMAS * curve.noise) or fall == 0:
        return None
    if run.valid is not None and run.valid.best < len(run.valid) * 2 // 3:
        return None
    more = None if run.facts.epochs is None else min(2 * run.facts.epochs, EPOCHS_MAX)
    return Advice(
        Code.UNDERFITTING,
        f"The training {run.what} was still improving fast when training ended: more epochs would teach more.",
        {
            f"train_{run.what}_of_the_first_third": curve.shown(begin),
            f"train_{run.what}_of_the_middle": curve.shown(middle),
            f"train_{run.what}_of_the_last_third": curve.shown(last),
        },
        Suggestion(n_epochs=more) if more is not None and more != run.facts.epochs else None,
    )


def plateau(run: Run) -> Advice | None:
    """No improvement over the last half or more."""
    judged_by_validation = run.valid is not None and len(run.valid) >= _JUDGED_FROM
    curve = run.valid if judged_by_validation else run.train
    if not run.facts.is_complete or curve is None or len(curve) < _JUDGED_FROM:
        return None
    lowest, (_, middle, last) = min(curve.values), curve.thirds
    little = FLAT * max(abs(value) for value in curve.values)
    if middle - last > little:
        return None
    since = next(i for i, value in enumerate(curve.values) if value <= lowest + max(little, _SIGMAS * curve.noise))
    if since >= len(curve) // 2:
        return None
    step = curve.steps[since]
    evidence = {
        "since_step": step,
        f"{run.what}_then": curve.shown(curve.values[since]),
        f"best_{run.what}": curve.shown(lowest),
    }
    if since == 0:
        message = f"The {run.what} has hardly changed since the beginning: epochs are not what is missing."
        return Advice(Code.PLATEAU, message, evidence)
    return Advice(
        Code.PLATEAU, f"From about step {step} on the {run.what} hardly improved.", evidence, run.stop_at(step)
    )
