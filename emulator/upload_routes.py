"""/v1/uploads (§1.5)."""

from __future__ import annotations

import asyncio

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import ids
from emulator.errors import Json, invalid, not_found
from emulator.file_routes import lifetime_of, stored
from emulator.job_requests import read_json
from emulator.lessons import Content
from emulator.state import world_of
from emulator.uploads import PART_BYTES_MAX, Upload, check_request


def _requested(request: Request) -> Upload:
    upload_id = request.path_params["id"]
    upload = world_of(request).uploads.get(upload_id)
    if upload is None or upload.project != request.state.project:
        raise not_found(f"No such Upload object: {upload_id}", param="upload_id")
    return upload


async def create(request: Request) -> Response:
    world, body = world_of(request), await read_json(request)
    check_request(body)
    expiry = body.get("expires_after")
    now = world.clock.now()
    upload = Upload(
        id=ids.fresh("upload_"),
        project=request.state.project,
        filename=body["filename"],
        purpose=body["purpose"],
        size=body["bytes"],
        created_at=now,
        file_lifetime=lifetime_of(expiry) if expiry is not None else None,
    )
    world.uploads[upload.id] = upload
    world.log.effect(request, "upload.created", now, id=upload.id, filename=upload.filename, bytes=upload.size)
    return Json(upload.view(now))


async def add_part(request: Request) -> Response:
    """Parts may come at once and in any order; completing names their order."""
    world, upload = world_of(request), _requested(request)
    upload.check_pending(world.clock.now())
    async with request.form() as form:
        part = form.get("data")
        if not isinstance(part, UploadFile):
            raise invalid("'data' is a required property", param="data")
        data = await part.read()
    if not 0 < len(data) <= PART_BYTES_MAX:
        raise invalid(f"A part must have 1 to {PART_BYTES_MAX} bytes, but this one has {len(data)}.", param="data")
    now = world.clock.now()
    upload.check_pending(now)  # once more: it may have ended while the part came in
    part_id = ids.fresh("part_")
    upload.parts[part_id] = data
    world.log.effect(request, "upload.part_added", now, id=part_id, upload=upload.id, bytes=len(data))
    return Json({"object": "upload.part", "id": part_id, "created_at": int(now), "upload_id": upload.id})


async def complete(request: Request) -> Response:
    """Makes the file, ready at once."""
    world, upload, body = world_of(request), _requested(request), await read_json(request)
    upload.check_pending(world.clock.now())
    data = upload.assembled(body.get("part_ids"), body.get("md5"))
    upload.end("completed")
    content = await asyncio.to_thread(Content.of, data)
    file = stored(
        request, upload.filename, upload.purpose, content, lifetime=upload.file_lifetime, processing_seconds=0
    )
    now = world.clock.now()
    world.log.effect(request, "upload.completed", now, id=upload.id, file=file.id)
    return Json(upload.view(now, file.view(now)))


async def cancel(request: Request) -> Response:
    world, upload = world_of(request), _requested(request)
    now = world.clock.now()
    upload.check_pending(now)
    upload.end("cancelled")
    world.log.effect(request, "upload.cancelled", now, id=upload.id)
    return Json(upload.view(now))


routes = [
    Route("/uploads", create, methods=["POST"]),
    Route("/uploads/{id}/parts", add_part, methods=["POST"]),
    Route("/uploads/{id}/complete", complete, methods=["POST"]),
    Route("/uploads/{id}/cancel", cancel, methods=["POST"]),
]
