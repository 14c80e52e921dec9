"""/v1/fine_tuning/checkpoints/{model}/permissions: other projects may use a checkpoint (§1.7). Admin keys only."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import ids
from emulator.errors import Json, invalid, model_not_found, not_found
from emulator.job_requests import read_json
from emulator.jobs import Permission
from emulator.pages import limit_of, page
from emulator.state import World, world_of


def _checkpoint(world: World, request: Request) -> str:
    """The model the path names, of whatever project: the organisation's owner sees all."""
    world.publish_finished()
    name = str(request.path_params["model"])
    if name not in world.models:
        raise model_not_found(name)
    return name


async def create(request: Request) -> Response:
    """Answers with the permissions made; a project that has one already keeps it."""
    world, body = world_of(request), await read_json(request)
    model, projects, now = _checkpoint(world, request), body.get("project_ids"), world.clock.now()
    if not isinstance(projects, list) or not projects or not all(isinstance(one, str) and one for one in projects):
        raise invalid("'project_ids' must be a non-empty list of project ids.", param="project_ids")
    made = []
    for project in projects:
        if world.may_use(project, model):
            continue
        permission = Permission(ids.fresh("cp_"), model, project, now)
        world.permissions[permission.id] = permission
        world.log.effect(request, "permission.created", now, id=permission.id, model=model, to=project)
        made.append(permission)
    return _page(made, has_more=False)


async def list_all(request: Request) -> Response:
    world, params = world_of(request), request.query_params
    model = _checkpoint(world, request)
    order = params.get("order", "descending")
    if order not in ("ascending", "descending"):
        raise invalid("'order' must be ascending or descending.", param="order")
    known = [one for one in world.permissions.values() if one.model == model]
    wanted = [one for one in known if params.get("project_id") in (None, one.project)]
    found, more = page(
        wanted if order == "ascending" else wanted[::-1],
        after=params.get("after"),
        limit=limit_of(request, default=10, most=100),
        id_of=lambda one: one.id,
    )
    return _page(found, has_more=more or world.settings.has_more_always)


def _page(found: list[Permission], *, has_more: bool) -> Response:
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": None, "last_id": None}
    return Json({"object": "list", "data": [one.view() for one in found], "has_more": has_more, **ends})


async def delete(request: Request) -> Response:
    world, permission_id = world_of(request), request.path_params["id"]
    permission = world.permissions.get(permission_id)
    if permission is None or permission.model != _checkpoint(world, request):
        raise not_found(f"No such permission: {permission_id}", param="permission_id")
    del world.permissions[permission_id]
    world.log.effect(request, "permission.deleted", world.clock.now(), id=permission_id)
    return Json({"object": "checkpoint.permission", "id": permission_id, "deleted": True})


routes = [
    Route("/fine_tuning/checkpoints/{model}/permissions", create, methods=["POST"]),
    Route("/fine_tuning/checkpoints/{model}/permissions", list_all, methods=["GET"]),
    Route("/fine_tuning/checkpoints/{model}/permissions/{id}", delete, methods=["DELETE"]),
]
