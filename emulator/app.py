"""The ASGI application, from the outside in: request ids, scripted faults, keys, routes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator import (
    chat,
    control,
    costs,
    errors,
    file_routes,
    grader_routes,
    ids,
    job_routes,
    models,
    permission_routes,
    upload_routes,
    usage,
)
from emulator.config import Config
from emulator.faults import FaultInjection
from emulator.keys import Authentication
from emulator.metering import Use
from emulator.scenario import Scenario
from emulator.state import World

API = (file_routes, upload_routes, job_routes, grader_routes, permission_routes, costs, usage, models, chat)


def create_app(config: Config, scenario: Scenario) -> ASGIApp:
    """An emulator with a world of its own, as the scenario describes it."""
    world = World(config)
    world.settings = scenario.settings
    for fault in scenario.faults:
        world.faults.add(fault)
    world.fates = {fate.id: fate for fate in scenario.fates}
    world.discrepancies = {one.id: one for one in scenario.discrepancies}
    for use in scenario.usage:
        world.meter.count(Use.parse(use, world.clock.now()))

    @asynccontextmanager
    async def with_couriers(_app: Starlette) -> AsyncIterator[None]:
        for endpoint in scenario.webhooks:
            world.couriers.add(endpoint)
        yield

    app = Starlette(
        lifespan=with_couriers,
        routes=[
            Mount("/v1", routes=[route for part in API for route in part.routes]),
            Mount("/_emulator", routes=control.routes),
        ],
        middleware=[
            Middleware(FaultInjection, faults=world.faults),
            Middleware(Authentication, keys=world.keys),
        ],
        exception_handlers={
            errors.ApiError: errors.answer_api_error,
            HTTPException: errors.answer_http_error,
            Exception: errors.answer_bug,
        },
    )
    app.state.world = world
    return RequestHeaders(app, config.org)


class RequestHeaders:
    """Gives every request an id and every answer the headers OpenAI's answers carry (§1.3)."""

    def __init__(self, app: ASGIApp, org: str) -> None:
        self._app = app
        self._org = org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began = ids.fresh("req_", 32), time.perf_counter()
        scope.setdefault("state", {})["request_id"] = request_id

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-organization"] = self._org
                headers["openai-version"] = "2020-10-01"
                headers["openai-processing-ms"] = str(round((time.perf_counter() - began) * 1000))
            await send(message)

        await self._app(scope, receive, with_headers)
