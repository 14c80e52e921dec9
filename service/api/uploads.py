"""Receiving a dataset: the body goes straight to storage, hashed on its way, in constant memory.

The key and what the headers announce are checked before a byte of the body is read. Whatever goes wrong on the way, a
refusal, a broken connection or a full disk, leaves nothing behind.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from service import datasets
from service.api.deps import MayAsTeam
from service.api.errors import BodyTooLarge, problems
from service.api.multipart import ENVELOPE_BYTES_MAX, Form
from service.kit import ids, storage
from service.kit.db import read_only, unit_of_work
from service.kit.errors import Invalid
from service.kit.identity import Actor
from service.kit.settings import settings

router = APIRouter(tags=["datasets"])

FORM: Final = "multipart/form-data"
RAW: Final = (
    "application/jsonl", "application/x-jsonlines", "application/x-ndjson", "application/ndjson", "application/json",
    "application/octet-stream", "text/plain", "text/jsonl", "text/csv", "text/tab-separated-values",
)  # fmt: skip
_SHA256: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]+=*):\s*(?:;[^,]*)?(?=,|$)")
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


class MediaTypeUnsupported(Invalid):
    """A dataset is sent as {accepted}, or in a form as multipart/form-data; this request says {media_type!r}."""

    code = "media_type_unsupported"
    status = 415


class EncodingUnsupported(Invalid):
    """Send the file as it is: the Content-Encoding {encoding!r} is not taken."""

    code = "content_encoding_unsupported"
    status = 415


class EmptyUpload(Invalid):
    """There is not a single byte in this file."""

    code = "empty_file"


class DigestMalformed(Invalid):
    """Content-Digest must read `sha-256=:<base64 of 32 bytes>:` (RFC 9530)."""

    code = "content_digest_malformed"


class DigestMismatch(Invalid):
    """The body that arrived is not the one Content-Digest speaks of. Nothing was kept; please send it again."""

    code = "digest_mismatch"


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
        str | None, Header(description="`sha-256=:<base64>:` of the body (RFC 9530); checked if sent.")
    ] = None,
) -> datasets.DatasetView:
    """Send a training file as the raw body, or as the part `file` of a form; a worker then checks it.

    The same bytes are one dataset of a team: posting them again answers 200 with the dataset there is. Whatever format
    the file has, its report says what it is; only chat JSONL can be trained on.
    """
    upload = Upload(request, filename=filename, name=name, content_digest=content_digest)
    key = f"{datasets.INCOMING}/{actor.team}/{ids.new_id()}"
    try:
        await storage.write(key, upload.file(request.stream()))
    except ClientDisconnect:
        raise UploadBroken from None
    view, is_new = await run_in_threadpool(_settle, actor, upload, key)
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = f"/v1/datasets/{view.id}"
    return view


def _settle(actor: Actor, upload: "Upload", key: str) -> tuple[datasets.DatasetView, bool]:
    """Make a dataset of what was stored under `key`, or find the one of the same bytes; `key` is gone afterwards."""
    try:
        with read_only(actor) as session:
            known = datasets.same_bytes(session, actor.team, upload.digests.sha256)
        if known is not None:
            return known, False
        kept = datasets.storage_key(actor.team, upload.digests.sha256)
        storage.rename(key, kept)  # before the row, so that a row always has its bytes
        with unit_of_work(actor) as session:
            return datasets.receive(
                session,
                actor,
                filename=upload.filename,
                name=upload.name,
                sha256=upload.digests.sha256,
                size=upload.digests.size,
                segments=upload.digests.segments,
                storage_key=kept,
            )
    finally:
        storage.delete(key)


class Upload:
    """A file on its way in. What its headers forbid is refused at once; the rest is known when `file` has ended."""

    def __init__(self, request: Request, *, filename: str | None, name: str | None, content_digest: str | None) -> None:
        headers = request.headers
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise EncodingUnsupported(encoding=encoding)
        content_type = headers.get("content-type", "application/octet-stream")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in (*RAW, FORM):
            raise MediaTypeUnsupported(media_type=media_type, accepted=RAW[0])
        self._form = Form(content_type) if media_type == FORM else None
        self._file_max = settings().upload_bytes_max
        self._body_max = self._file_max + (ENVELOPE_BYTES_MAX if self._form else 0)
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._body_max:
            raise BodyTooLarge(bytes_max=self._file_max)
        self._expected = _digest(content_digest)
        disposition = parse_options_header(headers.get("content-disposition", ""))[1].get(b"filename", b"")
        self._filename = filename or disposition.decode(errors="replace")
        self._name = name
        self.digests = datasets.Digests(settings().segment_bytes)
        self._body_digest = hashlib.sha256() if self._form else self.digests.whole

    async def file(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes out of the body's. Raises at the end what only then is known to be wrong."""
        received = 0
        async for chunk in body:
            received += len(chunk)
            for piece in self._form.feed(chunk) if self._form else (chunk,):
                self.digests.update(piece)
                if piece and self.digests.size <= self._file_max:
                    yield piece
            if self._form and self._expected:
                self._body_digest.update(chunk)
            if received > self._body_max or self.digests.size > self._file_max:
                raise BodyTooLarge(bytes_max=self._file_max)
        if self._form:
            self._form.finish()
        if not self.digests.size:
            raise EmptyUpload
        if self._expected and self._body_digest.digest() != self._expected:
            raise DigestMismatch

    @property
    def filename(self) -> str:
        """Without folders and unprintable characters."""
        given = self._filename or (self._form.filename if self._form else None) or ""
        return _clean(re.split(r"[/\\]", given)[-1])[:255] or "dataset.jsonl"

    @property
    def name(self) -> str | None:
        """What people call it, if they said so."""
        return _clean(self._name or (self._form.name if self._form else None) or "")[:100] or None


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _digest(header: str | None) -> bytes | None:
    """The SHA-256 in a Content-Digest. One without is none; other algorithms may stand beside it (RFC 9530, 2)."""
    if header is None or "sha-256=" not in header:
        return None
    found = _SHA256.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise DigestMalformed(pointer="Content-Digest")
    return digest
