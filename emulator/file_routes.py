"""/v1/files (§1.4)."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import ids
from emulator.errors import Json, invalid, not_found
from emulator.files import BYTES_MAX, PROCESSING_SECONDS, PURPOSES, RESULTS, StoredFile
from emulator.lessons import Content
from emulator.pages import DIGITS_MAX, limit_of, page
from emulator.state import World, world_of


def _requested(world: World, request: Request) -> StoredFile:
    file_id = request.path_params["id"]
    file = world.file(request.state.project, file_id)
    if file is None:
        raise not_found(f"No such File object: {file_id}", param="id")
    return file


async def create(request: Request) -> Response:
    world = world_of(request)
    async with request.form() as form:
        upload, purpose, lifetime = _checked(form)
        filename, data = upload.filename or "", await upload.read()
    if not data:
        raise invalid("File is empty.", param="file")
    if len(data) > BYTES_MAX:
        raise invalid("File is too large: the maximum is 512 MB.", param="file")
    content = Content.of(data) if len(data) < 1_000_000 else await asyncio.to_thread(Content.of, data)
    file = stored(request, filename, purpose, content, lifetime=lifetime)
    return Json(file.view(world.clock.now()))


def stored(
    request: Request,
    filename: str,
    purpose: str,
    content: Content,
    *,
    lifetime: int | None,
    processing_seconds: float = PROCESSING_SECONDS,
) -> StoredFile:
    """A new file of the project; `lifetime` is after how many seconds it expires."""
    world = world_of(request)
    now = world.clock.now()
    file = StoredFile(
        id=ids.fresh("file-", 22),
        project=request.state.project,
        filename=filename,
        purpose=purpose,
        content=content,
        created_at=now,
        born=time.monotonic(),
        expires_at=now + lifetime if lifetime else None,
        processing_seconds=processing_seconds,
    )
    world.files[file.id] = file
    world.log.effect(
        request, "file.created", now, id=file.id, filename=filename, purpose=purpose, sha256=content.sha256
    )
    return file


def _checked(form: FormData) -> tuple[UploadFile, str, int | None]:
    """The upload, its purpose, and after how many seconds it expires."""
    upload, purpose = form.get("file"), form.get("purpose")
    if not isinstance(upload, UploadFile):
        raise invalid("'file' is a required property", param="file")
    if purpose not in PURPOSES:
        raise invalid(f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    if purpose == "fine-tune" and not (upload.filename or "").endswith(".jsonl"):
        raise invalid("Invalid file format for Fine-Tuning API. Must be .jsonl", param="file")
    expiry = {name: form.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    return upload, str(purpose), lifetime_of(expiry) if any(expiry.values()) else None


def lifetime_of(expires_after: Any) -> int:
    """The seconds of an expires_after, which a form gives as text; raises a 400."""
    given = expires_after if isinstance(expires_after, dict) else {}
    seconds = str(given.get("seconds"))
    is_number = len(seconds) <= DIGITS_MAX and seconds.isdecimal()
    if given.get("anchor") != "created_at" or not is_number or not 3600 <= int(seconds) <= 2_592_000:
        message = "'expires_after' must have the anchor 'created_at' and between 3600 and 2592000 seconds"
        raise invalid(message, param="expires_after")
    return int(seconds)


def _listed(world: World, request: Request) -> Iterator[StoredFile]:
    """The project's files old enough to be listed, newest first or last as asked."""
    purpose, order = request.query_params.get("purpose"), request.query_params.get("order", "desc")
    files = sorted(world.files.values(), key=lambda file: file.created_at)
    old_enough = time.monotonic() - world.settings.list_lag_seconds
    for file in files if order == "asc" else reversed(files):
        if world.file(request.state.project, file.id) and purpose in (None, file.purpose) and file.born <= old_enough:
            yield file


async def list_all(request: Request) -> Response:
    world = world_of(request)
    await world.settle()
    limit = limit_of(request, default=10_000, most=10_000)
    found, more = page(
        _listed(world, request), after=request.query_params.get("after"), limit=limit, id_of=lambda file: file.id
    )
    now = world.clock.now()
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": "", "last_id": ""}
    return Json(
        {
            "object": "list",
            "data": [file.view(now) for file in found],
            "has_more": more or world.settings.has_more_always,
            **ends,
        }
    )


async def retrieve(request: Request) -> Response:
    world = world_of(request)
    world.publish_finished()
    return Json(_requested(world, request).view(world.clock.now()))


async def content(request: Request) -> Response:
    """The raw bytes; result files come base64-encoded as at OpenAI (§6), unless that is switched off."""
    world = world_of(request)
    world.publish_finished()
    file = _requested(world, request)
    data = file.content.data
    if file.purpose == RESULTS and world.settings.results_base64:
        data = base64.b64encode(data)
    return Response(data, media_type="application/octet-stream")


async def delete(request: Request) -> Response:
    """Gone at once. A job that has the file keeps what it read (§7)."""
    world = world_of(request)
    file = _requested(world, request)
    del world.files[file.id]
    world.log.effect(request, "file.deleted", world.clock.now(), id=file.id)
    return Json({"object": "file", "id": file.id, "deleted": True})


routes = [
    Route("/files", create, methods=["POST"]),
    Route("/files", list_all, methods=["GET"]),
    Route("/files/{id}", retrieve, methods=["GET"]),
    Route("/files/{id}", delete, methods=["DELETE"]),
    Route("/files/{id}/content", content, methods=["GET"]),
]
