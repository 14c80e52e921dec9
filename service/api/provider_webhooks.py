"""Webhooks of providers. They carry a signature instead of a key, and are hints: what is true is asked for."""

import json
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from service import connections, jobs
from service.api.errors import BodyTooLarge, problems
from service.kit import clock, logs
from service.kit.db import unit_of_work
from service.kit.errors import Invalid
from service.kit.identity import WORKER
from service.kit.settings import settings

log = logs.get(__name__)
router = APIRouter(tags=["connections"])

_BODY_BYTES_MAX: Final = 64 * 1024
_ID_LENGTH_MAX: Final = 128
_JOB_EVENTS: Final = "fine_tuning.job."  # told by type alone: the SDK parses a type it does not know as some other
_EXAMPLE: Final = {"type": "fine_tuning.job.succeeded", "data": {"id": "ftjob-1"}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
    }
}


class WebhookIncomplete(Invalid):
    """A webhook has the headers webhook-id, webhook-timestamp and webhook-signature; {header} is missing or long."""

    code = "webhook_incomplete"
    status = 400


class Taken(BaseModel):
    """The webhook need not be sent again."""

    status: Literal["taken"] = "taken"


async def body_as_sent(request: Request) -> bytes:
    """The bytes that were signed. Raises BodyTooLarge."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _BODY_BYTES_MAX:
                raise BodyTooLarge(bytes_max=_BODY_BYTES_MAX)
    except ClientDisconnect:
        return b""  # signed by nobody, and nobody hears the answer
    return bytes(body)


@router.post(
    "/v1/provider-webhooks/{connection}",
    summary="Take a provider's webhook",
    responses=problems(400, 401),
    openapi_extra=_BODY,
)
def take_provider_webhook(
    connection: Annotated[str, Path(description="Id of the connection.")],
    body: Annotated[bytes, Depends(body_as_sent)],
    webhook_id: Annotated[str | None, Header(description="The same when it is sent again.")] = None,
    webhook_timestamp: Annotated[str | None, Header(description="Unix seconds, at most 300 s off.")] = None,
    webhook_signature: Annotated[str | None, Header(description="`v1,<base64>`; several parted by spaces.")] = None,
) -> Taken:
    """For the provider: no key, but a signature by Standard Webhooks with the connection's webhook secret.

    A job that is told to have ended is looked at now instead of later. Whatever else a genuine webhook says is ignored.
    """
    webhook_id = _given("webhook-id", webhook_id, _ID_LENGTH_MAX)
    timestamp = _given("webhook-timestamp", webhook_timestamp, _ID_LENGTH_MAX)
    signed = _given("webhook-signature", webhook_signature, _BODY_BYTES_MAX)
    with unit_of_work(WORKER, seconds=settings().auth_seconds) as session:
        account = connections.take_webhook(
            session, connection,
            webhook_id=webhook_id, timestamp=timestamp, signed=signed, body=body, at=clock.now(),
        )  # fmt: skip
        job_id = _job_told_of(body)
        if account is not None and job_id is not None:
            known = jobs.hint(session, account, job_id)
            log.info("provider_webhook.taken", provider_job_id=job_id, known=known)
    return Taken()


def _given(header: str, value: str | None, length_max: int) -> str:
    if not value or len(value) > length_max:
        raise WebhookIncomplete(header=header, pointer=header)
    return value


def _job_told_of(body: bytes) -> str | None:
    """The provider's id of the job a genuine body speaks of, if it speaks of one."""
    try:
        event = json.loads(body)
        kind, job_id = event["type"], event["data"]["id"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    is_id = isinstance(job_id, str) and len(job_id) <= _ID_LENGTH_MAX and job_id.isprintable()
    return job_id if is_id and isinstance(kind, str) and kind.startswith(_JOB_EVENTS) else None
