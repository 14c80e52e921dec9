"""/v1/datasets: deleting them, where they have gone, and their bytes for those who may see them."""

import re
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from service import datasets, jobs
from service.api.datasets import DatasetRef, MayRead, MayWrite
from service.api.deps import MayAsTeam
from service.api.errors import problems
from service.kit import clock, storage
from service.kit.db import read_only, unit_of_work
from service.kit.errors import Invalid
from service.kit.identity import Actor
from service.kit.ids import read

router = APIRouter(tags=["datasets"])

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_BYTES: Final[dict[str, Any]] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class RangeNotSatisfiable(Invalid):
    """This dataset has {size} bytes: the range {asked!r} lies beyond them."""

    code = "range_not_satisfiable"
    status = 416


@router.delete(
    "/v1/datasets/{dataset}",
    status_code=202,
    summary="Delete a dataset",
    responses=problems(401, 403, 404, 409, 503),
)
def delete_dataset(
    *,
    dataset: DatasetRef,
    actor: MayWrite,
    with_parts: Annotated[bool, Query(description="And every dataset made of it, and of those.")] = False,
) -> datasets.DatasetView:
    """Workers remove its bytes, all that was written beside them, and its copies at providers; `erased_at` says when.

    Its name, hash and counts stay, so that jobs and models keep their lineage. `409 dataset_in_use` names the jobs that
    still need it. The same file can be posted again, and is another dataset then.
    """
    with unit_of_work(actor) as session:
        return datasets.erase(session, actor, read("dset", dataset), clock.now(), with_parts=with_parts)


@router.get(
    "/v1/datasets/{dataset}/erase-map", summary="See where a dataset has gone", responses=problems(401, 403, 404, 503)
)
def get_erase_map(dataset: DatasetRef, actor: MayRead) -> jobs.EraseMap:
    """What was made of it, its copies at providers, the jobs that used it, and the models these made.

    Also of a dataset that is deleted: it is what answers a request for erasure.
    """
    with read_only(actor) as session:
        return jobs.erase_map(session, actor.team, read("dset", dataset))


@router.get(
    "/v1/datasets/{dataset}/content",
    summary="Get the bytes of a dataset",
    response_class=StreamingResponse,
    responses={
        200: {"content": _BYTES, "description": "All of it"},
        206: {"content": _BYTES, "description": "The range asked for"},
        **problems(401, 403, 404, 409, 410, 416, 503),
    },
)
def get_dataset_content(
    dataset: DatasetRef,
    actor: Annotated[Actor, MayAsTeam("datasets:content")],
    range: Annotated[str | None, Header(description="One range of bytes, `bytes=0-1023` (RFC 9110, 14.2).")] = None,  # noqa: A002
) -> StreamingResponse:
    """The file as it is kept, whole or one range of it. Who asked is in the audit trail."""
    with unit_of_work(actor) as session:
        content = datasets.open_content(session, actor, read("dset", dataset))
    start, stop = _wanted(range, content.size)
    try:
        storage.size(content.key)  # better now than halfway
    except FileNotFoundError as gone:
        raise datasets.DatasetFileGone(id=dataset) from gone
    headers = {
        "content-length": str(stop - start),
        "accept-ranges": "bytes",
        "etag": f'"{content.sha256}"',
        "content-disposition": f"attachment; filename*=UTF-8''{quote(content.filename, safe='')}",
    }
    if is_part := (start, stop) != (0, content.size):
        headers["content-range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return StreamingResponse(
        storage.read(content.key, start, stop),
        status_code=206 if is_part else 200,
        headers=headers,
        media_type="application/octet-stream",
    )


def _wanted(header: str | None, size: int) -> tuple[int, int]:
    """First byte, and the one after the last. What is no single range of bytes asks for all (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(header or "")
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return 0, size
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < int(first):
        return 0, size
    if start >= size:
        raise RangeNotSatisfiable(size=size, asked=header)
    return start, stop
