"""Answers to requests that make a job: once for each Idempotency-Key."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service import jobs
from service.kit import idempotency
from service.kit.db import unit_of_work
from service.kit.identity import Actor

POLL_SECONDS: Final = "10"  # a hint how soon to ask again

IdempotencyKey = Annotated[
    str | None,
    Header(description="Any text of yours: for seven days the same request with it gives the same job again."),
]


def take_on(
    actor: Actor, key: str | None, path: str, body: BaseModel | None, do: Callable[[Session], jobs.Job]
) -> Response:
    """202 with the job that `do` takes on, or with the one it took on for the same request with this key."""
    sent = body.model_dump(mode="json", by_alias=True, exclude_unset=True) if body is not None else None
    with unit_of_work(actor) as session:

        def answer() -> dict[str, Any]:
            return jobs.JobView.of(do(session)).model_dump(mode="json", by_alias=True)

        request = {"method": "POST", "path": path, "body": sent}
        outcome = idempotency.once(session, actor.team, key, request, answer)
    headers = {"Location": f"/v1/jobs/{outcome.answer['id']}", "Retry-After": POLL_SECONDS}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(outcome.answer, status_code=202, headers=headers)
