"""Who asks: bearer keys, each of one project."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.errors import ApiError, Json

NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


class Authentication:
    """Notes the key's project on every /v1 request; 401 without a known key, or when a header names another project."""

    def __init__(self, app: ASGIApp, keys: dict[str, str]) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            try:
                scope["state"]["project"] = self._project(Headers(scope=scope))
            except ApiError as error:
                await Json(error.body, error.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _project(self, headers: Headers) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise ApiError(401, NO_KEY)
        project = self._keys.get(key)
        if project is None:
            raise ApiError(401, f"Incorrect API key provided: {key[:3]}***{key[-4:]}.", code="invalid_api_key")
        if headers.get("openai-project", project) != project:
            message = "OpenAI-Project header should match project for API key"
            raise ApiError(401, message, code="mismatched_project")
        return project
