"""Whether this process is alive, and whether it should be sent requests.

Ready means: the registry has been loaded and the process is not draining. With the database away a ready process stays
ready, because it still resolves from memory; what else is wrong is told in the body.
"""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal

from anyio import CapacityLimiter, move_on_after, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import text

from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.errors import Unavailable
from service.kit.identity import AUTH

router = APIRouter(tags=["health"])

_PING_SECONDS: Final = 1.0
_PING_KEPT_SECONDS: Final = 2.0


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class RegistryHealth(BaseModel):
    """The copy of the registry that models are resolved from."""

    current_at: datetime | None = Field(description="When it was last known to be current; null before the first time.")
    is_stale: bool = Field(description="Older than it should be: the database cannot be reached.")


class Readiness(BaseModel):
    """Whether to send requests here, and how what this process needs is doing."""

    status: Literal["ready", "loading", "draining"]
    registry: RegistryHealth
    database: Literal["up", "away"] = Field(description="As of at most two seconds ago.")


class Database:
    """Whether Postgres answers within a second; asked at most every two, whoever asks."""

    def __init__(self) -> None:
        self._is_up = False
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        # A thread of its own: those of the requests may all be waiting for the very database.
        self._thread = CapacityLimiter(1)

    async def is_up(self) -> bool:
        async with self._asking:
            if clock.monotonic() - self._asked_at > _PING_KEPT_SECONDS:
                self._is_up = False
                with move_on_after(_PING_SECONDS):
                    self._is_up = await to_thread.run_sync(_ping, limiter=self._thread, abandon_on_cancel=True)
                self._asked_at = clock.monotonic()
        return self._is_up


def _ping() -> bool:
    try:
        with unit_of_work(AUTH, seconds=_PING_SECONDS) as session:
            session.execute(text("SELECT 1"))
    except Unavailable:
        return False
    return True


@router.get("/livez", summary="Is the process alive")
async def livez() -> Liveness:
    """Touches nothing else: restarting this process would not bring back a database."""
    return Liveness()


_NOT_READY: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Readiness, "description": "Send requests elsewhere"}
}


@router.get("/readyz", summary="Should it be sent requests", responses=_NOT_READY)
async def readyz(request: Request, response: Response) -> Readiness:
    """Ready once the registry is loaded, until it drains. A database that is away is told, and no reason to fail."""
    state = request.app.state
    status: Literal["ready", "loading", "draining"] = "ready"
    if state.draining:
        status = "draining"
    elif state.resolver.current_at is None:
        status = "loading"
    if status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(
        status=status,
        registry=RegistryHealth(
            current_at=state.resolver.current_at, is_stale=state.resolver.stale_seconds is not None
        ),
        database="up" if await state.database.is_up() else "away",
    )
