"""/_emulator: the strings behind the stage. They need no key: keep them to the tests and demos they are made for."""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import webhooks
from emulator.config import DEFAULT_PROJECT
from emulator.discrepancies import Discrepancy
from emulator.errors import Json, invalid, not_found
from emulator.fates import Fate
from emulator.faults import Fault
from emulator.job_requests import read_json
from emulator.jobs import Job
from emulator.keys import id_of
from emulator.metering import Meter, Use
from emulator.scripts import is_amount
from emulator.state import world_of


async def show_clock(request: Request) -> Response:
    clock = world_of(request).clock
    return Json({"now": clock.now(), "speed": clock.speed})


async def move_clock(request: Request) -> Response:
    clock, body = world_of(request).clock, await read_json(request)
    if not body or body.keys() - {"advance_seconds", "speed"}:
        raise invalid("Give advance_seconds, speed or both.")
    for name, value in body.items():
        if not is_amount(value):
            raise invalid(f"'{name}' must be a number, 0 or above.", param=name)
    if "speed" in body:
        clock.set_speed(body["speed"])
    clock.advance(body.get("advance_seconds", 0))
    world_of(request).couriers.wake()
    return await show_clock(request)


async def show_faults(request: Request) -> Response:
    faults = world_of(request).faults.all.values()
    return Json({"faults": [fault.view() for fault in faults], "held": sum(len(fault.held) for fault in faults)})


async def add_fault(request: Request) -> Response:
    fault = Fault.parse(await read_json(request))
    world_of(request).faults.add(fault)
    return Json(fault.view())


async def release_fault(request: Request) -> Response:
    return Json({"released": _fault(request).release()})


async def remove_fault(request: Request) -> Response:
    fault = _fault(request)
    world_of(request).faults.remove(fault.id)
    return Json(fault.view())


async def clear_faults(request: Request) -> Response:
    faults = world_of(request).faults
    removed = list(faults.all)
    for fault_id in removed:
        faults.remove(fault_id)
    return Json({"removed": len(removed)})


def _fault(request: Request) -> Fault:
    fault = world_of(request).faults.all.get(request.path_params["id"])
    if fault is None:
        raise not_found("No such fault.", param="id")
    return fault


async def show_fates(request: Request) -> Response:
    return Json({"fates": [fate.view() for fate in world_of(request).fates.values()]})


async def add_fate(request: Request) -> Response:
    fate = Fate.parse(await read_json(request))
    world_of(request).fates[fate.id] = fate
    return Json(fate.view())


async def release_fate(request: Request) -> Response:
    """Lets go on every job that the fate has stuck."""
    world, fate = world_of(request), _fate(request)
    stuck = [job for job in world.unfinished() if job.fate is fate and job.course.stuck_seconds]
    for job in stuck:
        world.release(job)
    return Json({"released": len(stuck)})


async def remove_fate(request: Request) -> Response:
    """Meets no job any more; those it has met keep it."""
    fate = _fate(request)
    del world_of(request).fates[fate.id]
    return Json(fate.view())


async def clear_fates(request: Request) -> Response:
    fates = world_of(request).fates
    removed = len(fates)
    fates.clear()
    return Json({"removed": removed})


def _fate(request: Request) -> Fate:
    fate = world_of(request).fates.get(request.path_params["id"])
    if fate is None:
        raise not_found("No such fate.", param="id")
    return fate


async def show_settings(request: Request) -> Response:
    return Json(dataclasses.asdict(world_of(request).settings))


async def change_settings(request: Request) -> Response:
    """Changes the settings named; the others stay."""
    world = world_of(request)
    world.settings = world.settings.changed(await read_json(request))
    return await show_settings(request)


async def add_key(request: Request) -> Response:
    body = await read_json(request)
    key, project = body.get("key"), body.get("project")
    if not (isinstance(key, str) and key and isinstance(project, str) and project):
        raise invalid("Give a key and the project it belongs to.", param="key")
    world_of(request).keys[key] = project
    return Json({"key": key, "project": project, "id": id_of(key)})


async def remove_key(request: Request) -> Response:
    key = request.path_params["key"]
    if world_of(request).keys.pop(key, None) is None:
        raise not_found("No such key.", param="key")
    return Json({"key": key, "removed": True})


async def plant_usage(request: Request) -> Response:
    """Counts a use nobody has made, at any moment."""
    world = world_of(request)
    use = Use.parse(await read_json(request), world.clock.now())
    world.meter.count(use)
    return Json(dataclasses.asdict(use))


async def clear_usage(request: Request) -> Response:
    """Nobody has used anything yet."""
    world_of(request).meter = Meter()
    return Json({"removed": True})


async def show_discrepancies(request: Request) -> Response:
    return Json({"discrepancies": [one.view() for one in world_of(request).discrepancies.values()]})


async def add_discrepancy(request: Request) -> Response:
    discrepancy = Discrepancy.parse(await read_json(request))
    world_of(request).discrepancies[discrepancy.id] = discrepancy
    return Json(discrepancy.view())


async def remove_discrepancy(request: Request) -> Response:
    """From now on the bill is right about that, also of days gone by."""
    discrepancy = world_of(request).discrepancies.pop(request.path_params["id"], None)
    if discrepancy is None:
        raise not_found("No such discrepancy.", param="id")
    return Json(discrepancy.view())


async def clear_discrepancies(request: Request) -> Response:
    discrepancies = world_of(request).discrepancies
    removed = len(discrepancies)
    discrepancies.clear()
    return Json({"removed": removed})


async def show_webhooks(request: Request) -> Response:
    """Endpoints with their deliveries, and how many of these are still on their way."""
    endpoints = world_of(request).couriers.endpoints.values()
    waiting = sum(one.state == "waiting" for endpoint in endpoints for one in endpoint.deliveries)
    return Json({"webhooks": [endpoint.view() for endpoint in endpoints], "waiting": waiting})


async def add_webhook(request: Request) -> Response:
    endpoint = webhooks.parse(await read_json(request), DEFAULT_PROJECT)
    world_of(request).couriers.add(endpoint)
    return Json(endpoint.view())


async def rotate_webhook(request: Request) -> Response:
    """Signs with a new secret from now on, and with `keep_old` with the former ones too."""
    endpoint, body = _webhook(request), await read_json(request)
    secret, keep_old = body.get("secret", webhooks.new_secret()), body.get("keep_old", False)
    if body.keys() - {"secret", "keep_old"} or not webhooks.is_secret(secret) or not isinstance(keep_old, bool):
        raise invalid("Give a secret (whsec_ and base64), keep_old (true or false), both or neither.", param="secret")
    endpoint.secrets = [secret, *(endpoint.secrets if keep_old else [])]
    return Json(endpoint.view())


async def remove_webhook(request: Request) -> Response:
    endpoint = _webhook(request)
    world_of(request).couriers.remove(endpoint)
    return Json(endpoint.view())


def _webhook(request: Request) -> webhooks.Endpoint:
    endpoint = world_of(request).couriers.endpoints.get(request.path_params["id"])
    if endpoint is None:
        raise not_found("No such webhook.", param="id")
    return endpoint


async def show_log(request: Request) -> Response:
    """The truth: effects in order, all jobs as they are now, and what each is billed."""
    world = world_of(request)
    await world.settle()
    now = world.clock.now()
    return Json(
        {
            "now": now,
            "effects": world.log.effects,
            "jobs": [_truth(job, now) for job in world.jobs.values()],
            "billed": {job.id: job.billed_tokens(now) for job in world.jobs.values()},
        }
    )


def _truth(job: Job, now: float) -> dict[str, Any]:
    """A job as it really is.

    `cost_units` are millionths of a US dollar, as a decimal string: billed tokens times the training price per million,
    or for reinforcement the seconds trained times the price of an hour.
    """
    return {
        "id": job.id,
        "project": job.project,
        "created_at": job.created_at,
        "status": job.status(now),
        "model": job.base.id,
        "method": job.request.method.kind,
        "continues": job.parent and job.parent.id,
        "fine_tuned_model": job.model_name() if job.status(now) == "succeeded" else None,
        "metadata": job.request.metadata,
        "suffix": job.request.suffix,
        "training_file": job.training.id,
        "validation_file": job.validation and job.validation.id,
        "sha256": job.training.content.sha256,
        "seed": job.seed,
        "fate": job.fate.id or None,
        "total_steps": job.plan.schedule.total_steps if job.plan else None,
        "steps_done": job.steps_done(now),
        "trained_tokens": job.plan.tokens_after(job.steps_done(now)) if job.plan else 0,
        "cancelled_at": job.cancelled_at,
        "billed_tokens": job.billed_tokens(now),
        "billed_seconds": job.billed_seconds(now),
        "cost_units": str(job.cost_units(now)),
    }


routes = [
    Route("/clock", show_clock, methods=["GET"]),
    Route("/clock", move_clock, methods=["POST"]),
    Route("/faults", show_faults, methods=["GET"]),
    Route("/faults", add_fault, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/faults/{id}", remove_fault, methods=["DELETE"]),
    Route("/faults/{id}/release", release_fault, methods=["POST"]),
    Route("/fates", show_fates, methods=["GET"]),
    Route("/fates", add_fate, methods=["POST"]),
    Route("/fates", clear_fates, methods=["DELETE"]),
    Route("/fates/{id}", remove_fate, methods=["DELETE"]),
    Route("/fates/{id}/release", release_fate, methods=["POST"]),
    Route("/settings", show_settings, methods=["GET"]),
    Route("/settings", change_settings, methods=["POST"]),
    Route("/keys", add_key, methods=["POST"]),
    Route("/keys/{key}", remove_key, methods=["DELETE"]),
    Route("/usage", plant_usage, methods=["POST"]),
    Route("/usage", clear_usage, methods=["DELETE"]),
    Route("/discrepancies", show_discrepancies, methods=["GET"]),
    Route("/discrepancies", add_discrepancy, methods=["POST"]),
    Route("/discrepancies", clear_discrepancies, methods=["DELETE"]),
    Route("/discrepancies/{id}", remove_discrepancy, methods=["DELETE"]),
    Route("/webhooks", show_webhooks, methods=["GET"]),
    Route("/webhooks", add_webhook, methods=["POST"]),
    Route("/webhooks/{id}", remove_webhook, methods=["DELETE"]),
    Route("/webhooks/{id}/rotate", rotate_webhook, methods=["POST"]),
    Route("/log", show_log, methods=["GET"]),
]
