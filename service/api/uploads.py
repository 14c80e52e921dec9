"""Receiving a dataset: the body goes straight to storage, in constant memory; intake.py says what becomes of it.

The key and what the headers announce are checked before a byte of the body is read. Whatever goes wrong on the way, a
refusal, a broken connection or a full disk, leaves nothing behind.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service import datasets
from service.api.deps import MayAsTeam
from service.api.errors import problems
from service.api.intake import FORM, Intake
from service.api.multipart import ENVELOPE_BYTES_MAX
from service.kit import ids, storage
from service.kit.db import read_only, unit_of_work
from service.kit.errors import Invalid, LimitReached
from service.kit.identity import Actor

router = APIRouter(tags=["datasets"])

_FILE: Final = {"type": "string", "format": "binary"}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/jsonl": {"schema": _FILE},
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _FILE, "name": {"type": "string", "maxLength": 100}},
                }
            },
        },
    }
}


class UploadBroken(Invalid):
    """The connection broke before the body was complete. Nothing was kept."""

    code = "upload_broken"
    status = 400


@router.post(
    "/v1/datasets",
    status_code=202,
    summary="Post a dataset",
    responses={
        200: {"model": datasets.DatasetView, "description": "Your team has posted these bytes before"},
        **problems(400, 401, 403, 408, 413, 415, 422, 503, 507),
    },
    openapi_extra=_BODY,
)
async def create_dataset(
    *,
    request: Request,
    response: Response,
    actor: Annotated[Actor, MayAsTeam("datasets:write")],
    filename: Annotated[str | None, Query(description="Of a raw body; a form's file has its own.")] = None,
    name: Annotated[str | None, Query(description="For people; the filename's stem unless given.")] = None,
    content_digest: Annotated[
        str | None, Header(description="`sha-256=:<base64>:` of the body as it is sent (RFC 9530); checked if sent.")
    ] = None,
) -> datasets.DatasetView:
    """Send a training file as the raw body, or as the part `file` of a form; a worker then checks it.

    It may be packed by gzip or zstd, for the way (`Content-Encoding`) or as a file: it is kept unpacked. The same bytes
    are one dataset of a team: posting them again answers 200 with the dataset there is. Whatever format the file has,
    its report says what it is.
    """
    intake = Intake(request.headers, filename=filename, name=name, content_digest=content_digest)
    await run_in_threadpool(_check_room, actor, intake.announced)
    key = f"{datasets.INCOMING}/{actor.team}/{ids.new_id()}"
    try:
        await storage.write(key, _file(intake, request.stream()))
    except ClientDisconnect:
        raise UploadBroken from None
    view, is_new = await run_in_threadpool(_settle, actor, intake, key)
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = f"/v1/datasets/{view.id}"
    return view


async def _file(intake: Intake, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The file's bytes out of the body's."""
    async for chunk in body:
        async for piece in _steps(intake, intake.feed(chunk)):
            yield piece
    async for piece in _steps(intake, intake.finish()):
        yield piece


async def _steps(intake: Intake, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """One piece after the other; in a thread where a step unpacks a megabyte, so that others are served meanwhile."""
    while True:
        piece = await to_thread.run_sync(next, pieces, None) if intake.is_packed else next(pieces, None)
        if piece is None:
            return
        yield piece


def _check_room(actor: Actor, announced: int) -> None:
    """Refuse before the body is read what will not fit when it is; packed, it is likely to need more, not less."""
    with read_only(actor) as session:
        datasets.check_room(session, actor.team, max(announced - ENVELOPE_BYTES_MAX, 1))


def _settle(actor: Actor, intake: Intake, key: str) -> tuple[datasets.DatasetView, bool]:
    """Make a dataset of what was stored under `key`, or find the one of the same bytes; `key` is gone afterwards."""
    try:
        with read_only(actor) as session:
            known = datasets.same_bytes(session, actor.team, intake.digests.sha256)
        if known is not None:
            return known, False
        return _receive(actor, intake, key)
    finally:
        storage.delete(key)


def _receive(actor: Actor, intake: Intake, key: str) -> tuple[datasets.DatasetView, bool]:
    dataset_id = ids.new_id()
    kept = datasets.content_key(actor.team, dataset_id)
    storage.rename(key, kept)  # before the row, so that a row always has its bytes
    try:
        with unit_of_work(actor) as session:
            view, is_new = datasets.receive(
                session, actor, dataset_id, filename=intake.filename, name=intake.name, digests=intake.digests
            )
    except LimitReached:
        storage.delete(kept)
        raise  # after any other error there may be a row: what has none is swept (datasets.flows.sweep_orphans)
    if not is_new:
        storage.delete(kept)
    return view, is_new
