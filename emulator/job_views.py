"""A job, its events and its checkpoints as the API shows them (§1.6, §6)."""

from __future__ import annotations

import math
from typing import Any

from emulator import ids
from emulator.jobs import Job
from emulator.methods import SUPERVISED

METRIC_EVENTS_MAX = 150
COMPLETED = "The job has successfully completed"
# What stands in `error` when there is none: all three occur in the specification's examples (§1.1).
NO_ERROR: dict[str, dict[str, Any] | None] = {
    "null": None,
    "empty": {},
    "nulls": {"code": None, "message": None, "param": None},
}


def view(job: Job, now: float, no_error_as: str = "null") -> dict[str, Any]:
    """The fine_tuning.job object at virtual time `now`."""
    status = job.status(now)
    succeeded = status == "succeeded"
    started = job.steps_done(now) > 0 or status in ("running", "paused", "succeeded")
    method, decided = job.request.method, job.plan.hyperparameters if job.plan and started else {}
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": job.request.model if job.parent else job.base.id,
        "created_at": int(job.created_at),
        "finished_at": int(job.ends_at) if status in ("succeeded", "failed") else None,
        "estimated_finish": int(job.ends_at) if status == "running" and job.ends_at < math.inf else None,
        "fine_tuned_model": job.model_name() if succeeded else None,
        "organization_id": f"org-{job.org}",
        "result_files": [job.results_id] if succeeded else [],
        "status": status,
        "validation_file": job.validation and job.validation.id,
        "training_file": job.training.id,
        "hyperparameters": method.hyperparameters_view(decided) if method.kind == SUPERVISED else None,
        "method": method.view(decided),
        "trained_tokens": job.plan.trained_tokens if job.plan and succeeded else None,
        "error": error_of(job) if status == "failed" else NO_ERROR[no_error_as],
        "user_provided_suffix": job.request.suffix,
        "seed": job.seed,
        "integrations": job.request.integrations,
        "metadata": job.request.metadata,
        "usage_metrics": None,
        "shared_with_openai": False,
        "eval_id": None,
    }


def error_of(job: Job) -> dict[str, Any]:
    """What is wrong with a job that has failed, or will."""
    failure = job.failure or job.fate.breakdown
    assert failure
    file = job.validation if failure.param == "validation_file" else job.training
    message = failure.message.replace("{file}", file.id if file else "")
    return {"code": failure.code, "message": message, "param": failure.param}


def checkpoints(job: Job, now: float) -> list[dict[str, Any]]:
    """fine_tuning.job.checkpoint objects, newest first. Their models answer once the job has succeeded."""
    plan = job.plan
    if plan is None:
        return []
    return [
        {
            "object": "fine_tuning.job.checkpoint",
            "id": ids.derived("ftckpt_", job.id, step),
            "created_at": int(job.step_at(step)),
            "fine_tuned_model_checkpoint": job.checkpoint_name(step),
            "fine_tuning_job_id": job.id,
            "metrics": plan.trace.metrics(step),
            "step_number": step,
        }
        for step in reversed(job.checkpoint_steps(now))
    ]


def events(job: Job, now: float) -> list[dict[str, Any]]:
    """fine_tuning.job.event objects, newest first."""
    files = f"Validating training file: {job.training.id}"
    if job.validation:
        files += f" and validation file: {job.validation.id}"
    told = [_event(job, job.created_at, f"Created fine-tuning job: {job.id}"), _event(job, job.created_at, files)]
    until = job.until(now)
    if job.failure and until >= job.course.validated_at:
        told.append(_event(job, job.course.validated_at, error_of(job)["message"], level="error"))
    if job.plan and until >= job.course.validated_at:
        told.append(_event(job, job.course.validated_at, "Files validated, moving job to queued state"))
    if job.plan and until >= job.course.started_at:
        told.append(_event(job, job.course.started_at, "Fine-tuning job started"))
        training = [_metrics_event(job, step) for step in _steps_told(job, job.steps_done(now))]
        told += sorted([*training, *_pause_events(job, until)], key=lambda event: event["created_at"])
    if job.plan and until >= job.ends_at:
        told += _end_events(job)
    if job.cancelled_at is not None:
        told.append(_event(job, job.cancelled_at, "Fine-tuning job cancelled"))
    return told[::-1]


def _pause_events(job: Job, until: float) -> list[dict[str, Any]]:
    told = []
    for pause in job.course.pauses:
        step = job.steps_done(pause.at)
        if step:
            message = f"Checkpoint created at step {step} with Snapshot ID: {job.checkpoint_name(step)}"
            told.append(_event(job, pause.at, message))
        told.append(_event(job, pause.at, "Fine-tuning job paused"))
        if pause.resumed_at is not None:
            told.append(_event(job, pause.resumed_at, "Fine-tuning job resumed, moving job to queued state"))
            if until >= pause.ends_at:
                told.append(_event(job, pause.ends_at, "Fine-tuning job started"))
    return told


def _end_events(job: Job) -> list[dict[str, Any]]:
    if job.fate.breakdown and not job.fate.unsafe:
        return [_event(job, job.ends_at, error_of(job)["message"], level="error")]
    messages = [
        *(
            f"Checkpoint created at step {step} with Snapshot ID: {job.checkpoint_name(step)}"
            for step in job.kept_steps(job.ends_at)[:-1]
            if step not in job.snapshots()
        ),
        f"New fine-tuned model created: {job.model_name()}",
        "Evaluating model against our usage policies",
    ]
    told = [_event(job, job.ends_at, message) for message in messages]
    if job.fate.unsafe:
        return [*told, *_unsafe_events(job)]
    passed = "Usage policy evaluations completed, model is now enabled for sampling"
    return [*told, _event(job, job.ends_at, passed), _event(job, job.ends_at, COMPLETED)]


def _unsafe_events(job: Job) -> list[dict[str, Any]]:
    """The guide knows events of type moderation_checks (§3.6) but shows none; their words and data are ours."""
    categories = job.fate.categories
    checks = _event(job, job.ends_at, f"Moderation checks failed for {job.model_name()}: {', '.join(categories)}")
    checks |= {"type": "moderation_checks", "level": "warn", "data": {"blocked": True, "categories": categories}}
    if job.fate.breakdown:
        return [checks, _event(job, job.ends_at, error_of(job)["message"], level="error")]
    return [checks, _event(job, job.ends_at, COMPLETED)]


def _event(
    job: Job, at: float, message: str, *, level: str = "info", data: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        "id": ids.derived("ftevent-", job.id, at, message),
        "created_at": int(at),
        "level": level,
        "message": message,
        "data": data or {},
        "type": "metrics" if data else "message",
    }


def _steps_told(job: Job, done: int) -> list[int]:
    """Every n-th step, at most 150 of them, and each after which there is a checkpoint."""
    assert job.plan
    schedule = job.plan.schedule
    stride = -(-schedule.total_steps // METRIC_EVENTS_MAX)
    milestones = {*job.plan.trace.milestones(schedule)}
    return [step for step in range(1, done + 1) if step % stride == 0 or step in milestones]


def _metrics_event(job: Job, step: int) -> dict[str, Any]:
    assert job.plan
    total, metrics = job.plan.schedule.total_steps, job.plan.trace.metrics(step)
    message = job.plan.trace.message(metrics, total)
    return _event(job, job.step_at(step), message, data={**metrics, "total_steps": total})
