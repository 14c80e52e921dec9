"""/v1/fine_tuning/jobs (§1.6)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import catalog, ids, job_views
from emulator.errors import ApiError, Json, invalid, not_found
from emulator.fates import UNTOUCHED, Fate
from emulator.files import StoredFile
from emulator.job_requests import parse, read_json
from emulator.jobs import ACTIVE, CANCELLABLE, Job, JobRequest, TunedModel
from emulator.methods import REINFORCEMENT
from emulator.pages import limit_of, page
from emulator.state import World, world_of
from emulator.studies import Question


async def create(request: Request) -> Response:
    world = world_of(request)
    asked = parse(await read_json(request))
    world.publish_finished()
    job = _begin(world, request.state.project, request.state.api_key, asked)
    world.add_job(job)
    world.log.effect(
        request,
        "job.created",
        job.created_at,
        id=job.id,
        model=job.base.id,
        training_file=job.training.id,
        sha256=job.training.content.sha256,
        metadata=asked.metadata,
    )
    return Json(_view(world, job))


def _view(world: World, job: Job) -> dict[str, Any]:
    return job_views.view(job, world.clock.now(), world.settings.no_error_as)


def _begin(world: World, project: str, api_key: str, asked: JobRequest) -> Job:
    _check_open(world)
    base, parent = _model(world, project, asked.model)
    _check_method(base, asked)
    training = _file(world, project, "training_file", asked.training_file)
    validation = _file(world, project, "validation_file", asked.validation_file) if asked.validation_file else None
    _check_active_limit(world, project, base.id)
    # OpenAI draws a seed. Taken from the file instead, jobs of one file share one study and each run is the same.
    seed = int(training.content.sha256[:7], 16) if asked.seed is None else asked.seed
    question = Question(
        base=base,
        learned=parent.taught if parent else (),
        training=training.content,
        validation=validation.content if validation else None,
        method=asked.method,
        seed=seed,
    )
    return Job(
        id=ids.fresh("ftjob-"),
        project=project,
        api_key=api_key,
        org=world.config.org,
        created_at=world.clock.now(),
        born=time.monotonic(),
        request=asked,
        base=base,
        parent=parent,
        training=training,
        validation=validation,
        seed=seed,
        outcome=world.studies.begin(question),
        id_of_model=ids.fresh("", 8),
        fate=_fate(world, asked, base, [file for file in (training, validation) if file]),
    )


def _fate(world: World, asked: JobRequest, base: catalog.BaseModel, files: list[StoredFile]) -> Fate:
    """The first fate that meets the job, counted as a hit there."""
    for fate in world.fates.values():
        if fate.meets(base.id, asked.suffix, asked.metadata, files, world.dice):
            fate.hits += 1
            return fate
    return UNTOUCHED


def _check_open(world: World) -> None:
    """Refuses new jobs of a closed organisation and after the end (§0); the real body is not established."""
    settings = world.settings
    if settings.winds_down_at is not None and world.clock.now() >= settings.winds_down_at:
        message = "Fine-tuning has been wound down: no new fine-tuning jobs can be created."
        raise ApiError(settings.creation_closed_status, message, code="fine_tuning_wound_down")
    if settings.creation_closed:
        message = "Fine-tuning is not available to your organization."
        raise ApiError(settings.creation_closed_status, message, code="fine_tuning_not_available")


def _model(world: World, project: str, name: str) -> tuple[catalog.BaseModel, TunedModel | None]:
    """The snapshot to train, and the fine-tuned model to continue from when one was named."""
    base, parent = catalog.resolve(name), world.model(project, name)
    if base:
        return base, None
    if parent:
        return parent.base, parent
    message = f"Model {name} is not available for fine-tuning or does not exist."
    raise invalid(message, param="model", code="model_not_available")


def _check_method(base: catalog.BaseModel, asked: JobRequest) -> None:
    """What a base model cannot be trained by is refused (§5); the words are ours."""
    kind = asked.method.kind
    if kind not in base.methods:
        message = f"The model {base.id} cannot be trained by '{kind}', only by {' or '.join(base.methods)}."
        raise invalid(message, param="method.type", code="unsupported_value")
    if kind == REINFORCEMENT and asked.validation_file is None:
        message = "Missing required parameter: 'validation_file'."
        raise invalid(message, param="validation_file", code="missing_required_parameter")


def _file(world: World, project: str, param: str, file_id: str) -> StoredFile:
    file = world.file(project, file_id)
    if file is None:
        raise invalid(f"invalid {param}: {file_id}", param=param)
    if file.purpose != "fine-tune":
        message = f"File '{file_id}' has purpose '{file.purpose}', but '{param}' needs purpose 'fine-tune'."
        raise invalid(message, param=param)
    return file


def _check_active_limit(world: World, project: str, base_id: str) -> None:
    limit, now = world.settings.max_active_jobs_per_model, world.clock.now()
    if limit is None:
        return
    active = sum(
        job.project == project and job.base.id == base_id and job.status(now) in ACTIVE for job in world.unfinished()
    )
    if active >= limit:
        message = f"This fine-tune request has been rate-limited: {active} of {limit} jobs of {base_id} are active."
        raise ApiError(429, message, code="rate_limit_exceeded", kind="requests")


async def list_all(request: Request) -> Response:
    world = world_of(request)
    limit = limit_of(request, default=20, most=100)
    found, more = page(
        _listed(world, request), after=request.query_params.get("after"), limit=limit, id_of=lambda job: job.id
    )
    # Only the jobs shown need their studies; waiting for others would make every list as slow as the biggest file.
    if found:
        await world.settle(*found)
    return Json(
        {
            "object": "list",
            "data": [_view(world, job) for job in found],
            "has_more": more or world.settings.has_more_always,
        }
    )


def _listed(world: World, request: Request) -> Iterator[Job]:
    """The project's jobs old enough to be listed that match the metadata asked for, newest first."""
    old_enough = time.monotonic() - world.settings.list_lag_seconds
    without_metadata = request.query_params.get("metadata") == "null"
    wanted = {
        key.removeprefix("metadata[").removesuffix("]"): value
        for key, value in request.query_params.items()
        if key.startswith("metadata[")
    }
    for job in reversed(world.jobs.values()):
        if job.project != request.state.project or job.born > old_enough:
            continue
        metadata = job.request.metadata
        if not metadata if without_metadata else wanted.items() <= (metadata or {}).items():
            yield job


async def _requested(request: Request) -> Job:
    """The job the path names, settled."""
    world, job_id = world_of(request), request.path_params["id"]
    job = world.jobs.get(job_id)
    if job is None or job.project != request.state.project:
        raise not_found(f"Could not find fine tune: {job_id}", param="fine_tuning_job_id")
    await world.settle(job)
    return job


async def retrieve(request: Request) -> Response:
    world, job = world_of(request), await _requested(request)
    return Json(_view(world, job))


async def cancel(request: Request) -> Response:
    """Stops the job at this moment; a job that has ended is a 400 (OpenAI's words for that are not established)."""
    world, job = world_of(request), await _requested(request)
    now = world.clock.now()
    status = job.status(now)
    if status not in CANCELLABLE:
        raise invalid(f"Job {job.id} has already {status} and cannot be cancelled.", param="fine_tuning_job_id")
    world.cancel(job)
    world.log.effect(request, "job.cancelled", now, id=job.id, status_before=status, steps_done=job.steps_done(now))
    return Json(_view(world, job))


async def pause(request: Request) -> Response:
    """Stops training and makes a snapshot of what was learned, a model like any other (§1.6)."""
    world, job = world_of(request), await _requested(request)
    now = world.clock.now()
    status = job.status(now)
    if status != "running":
        raise invalid(f"Job {job.id} is {status} and cannot be paused.", param="fine_tuning_job_id")
    job.pause(now)
    steps = job.steps_done(now)
    if steps:
        world.add_model(job.model_at(steps, now))
    world.log.effect(request, "job.paused", now, id=job.id, steps_done=steps)
    return Json(_view(world, job))


async def resume(request: Request) -> Response:
    """Queues a paused job again; it goes on from its snapshot."""
    world, job = world_of(request), await _requested(request)
    now = world.clock.now()
    status = job.status(now)
    if status != "paused":
        raise invalid(f"Job {job.id} is {status} and cannot be resumed.", param="fine_tuning_job_id")
    job.resume(now)
    world.expect_end(job)
    world.log.effect(request, "job.resumed", now, id=job.id, steps_done=job.steps_done(now))
    return Json(_view(world, job))


async def events(request: Request) -> Response:
    world, job = world_of(request), await _requested(request)
    limit = limit_of(request, default=20, most=100)
    told = job_views.events(job, world.clock.now())
    after = request.query_params.get("after")
    if world.settings.duplicate_events:
        told = [event for event in told for _ in range(2)]
    if world.settings.unstable_event_ids:
        # As seen at Azure (§7): an id handed out is never known again, and so paging by it starts anew.
        told, after = [{**event, "id": ids.fresh("ftevent-")} for event in told], None
    found, more = page(told, after=after, limit=limit, id_of=lambda event: str(event["id"]))
    return Json({"object": "list", "data": found, "has_more": more or world.settings.has_more_always})


async def checkpoints(request: Request) -> Response:
    world, job = world_of(request), await _requested(request)
    limit = limit_of(request, default=10, most=100)
    found, more = page(
        job_views.checkpoints(job, world.clock.now()),
        after=request.query_params.get("after"),
        limit=limit,
        id_of=lambda checkpoint: str(checkpoint["id"]),
    )
    ends: dict[str, Any] = {"first_id": None, "last_id": None}
    if found:
        ends = {"first_id": found[0]["id"], "last_id": found[-1]["id"]}
    return Json({"object": "list", "data": found, "has_more": more or world.settings.has_more_always, **ends})


routes = [
    Route("/fine_tuning/jobs", create, methods=["POST"]),
    Route("/fine_tuning/jobs", list_all, methods=["GET"]),
    Route("/fine_tuning/jobs/{id}", retrieve, methods=["GET"]),
    Route("/fine_tuning/jobs/{id}/cancel", cancel, methods=["POST"]),
    Route("/fine_tuning/jobs/{id}/pause", pause, methods=["POST"]),
    Route("/fine_tuning/jobs/{id}/resume", resume, methods=["POST"]),
    Route("/fine_tuning/jobs/{id}/events", events, methods=["GET"]),
    Route("/fine_tuning/jobs/{id}/checkpoints", checkpoints, methods=["GET"]),
]
