"""/v1/models: the base models of everybody and the fine-tuned ones of the project (§1.9)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import catalog
from emulator.errors import ApiError, Json, model_not_found
from emulator.jobs import TunedModel
from emulator.state import world_of


def _base_view(name: str, model: catalog.BaseModel) -> dict[str, Any]:
    return _view(name, model.created, "system", model)


def _tuned_view(model: TunedModel, org: str) -> dict[str, Any]:
    """A fine-tune is shut down with its base (§0)."""
    return _view(model.id, int(model.created_at), org, model.base)


def _view(name: str, created: int, owner: str, base: catalog.BaseModel) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "shutdown_date": base.shutdown_date}


async def list_all(request: Request) -> Response:
    world = world_of(request)
    await world.settle()
    names = [*catalog.SNAPSHOTS, *catalog.ALIASES]
    shown = [_base_view(name, model) for name in names if (model := catalog.resolve(name))]
    shown += [
        _tuned_view(model, world.config.org)
        for model in world.models.values()
        if world.model(request.state.project, model.id)
    ]
    return Json({"object": "list", "data": shown})


async def retrieve(request: Request) -> Response:
    world, name = world_of(request), request.path_params["id"]
    world.publish_finished()
    base, tuned = catalog.resolve(name), world.model(request.state.project, name)
    if base:
        return Json(_base_view(name, base))
    if tuned:
        return Json(_tuned_view(tuned, world.config.org))
    raise model_not_found(name)


async def delete(request: Request) -> Response:
    """Own fine-tunes only; the job's record stays as it is (§1.9)."""
    world, name = world_of(request), request.path_params["id"]
    world.publish_finished()
    if catalog.resolve(name):
        raise ApiError(403, f"You have insufficient permissions to delete the model '{name}'.", param="model")
    model = world.model(request.state.project, name)
    if model is None or model.project != request.state.project:
        raise model_not_found(name)
    del world.models[name]
    world.log.effect(request, "model.deleted", world.clock.now(), id=name)
    return Json({"id": name, "object": "model", "deleted": True})


routes = [
    Route("/models", list_all, methods=["GET"]),
    Route("/models/{id}", retrieve, methods=["GET"]),
    Route("/models/{id}", delete, methods=["DELETE"]),
]
