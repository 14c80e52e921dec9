"""Who asks: bearer keys, each of one project."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator import ids
from emulator.errors import ApiError, Json

NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


ADMIN_PREFIX = "sk-admin-"
ADMIN_PATHS = re.compile(r"/v1/(organization/|fine_tuning/checkpoints/[^/]+/permissions(/|$))")


def id_of(key: str) -> str:
    """What the organisation's pages call the key."""
    return ids.derived("key_", key, length=16)


class Authentication:
    """Notes the key's project and its id on every /v1 request.

    401 without a known key, or when a header names another project.

    Admin keys are those that begin with sk-admin-. They open the paths of administration, which no other key opens, and
    nothing else (§1.7, §1.10): 403, in words that are not established.
    """

    def __init__(self, app: ASGIApp, keys: dict[str, str]) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            try:
                headers = Headers(scope=scope)
                scope["state"]["project"] = self._project(headers, scope["path"])
                scope["state"]["api_key"] = id_of(headers["authorization"].partition(" ")[2])
            except ApiError as error:
                await Json(error.body, error.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _project(self, headers: Headers, path: str) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise ApiError(401, NO_KEY)
        project = self._keys.get(key)
        if project is None:
            raise ApiError(401, f"Incorrect API key provided: {key[:3]}***{key[-4:]}.", code="invalid_api_key")
        if headers.get("openai-project", project) != project:
            message = "OpenAI-Project header should match project for API key"
            raise ApiError(401, message, code="mismatched_project")
        if key.startswith(ADMIN_PREFIX) != (ADMIN_PATHS.match(path) is not None):
            needed = "an admin key" if not key.startswith(ADMIN_PREFIX) else "a project's key, not an admin key"
            message = f"You have insufficient permissions for this operation: it needs {needed}."
            raise ApiError(403, message, code="insufficient_permissions")
        return project
