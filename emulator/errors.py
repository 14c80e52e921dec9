"""Refusals in OpenAI's shape (§1.3): {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

INVALID = "invalid_request_error"


class Json(Response):
    """Compact JSON; what is not ASCII is escaped, so even a lone surrogate in somebody's metadata can be answered."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


class ApiError(Exception):
    """A request refused; carries what the body of the answer says."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, kind: str = INVALID
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def not_found(message: str, *, param: str | None = None, code: str = "resource_not_found") -> ApiError:
    return ApiError(404, message, param=param, code=code)


def model_not_found(model: str) -> ApiError:
    return not_found(
        f"The model `{model}` does not exist or you do not have access to it.", param="model", code="model_not_found"
    )


async def answer_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Json(error.body, error.status)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, raised by the router itself."""
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path})" if error.status_code == 404 else str(error.detail)
    return Json(ApiError(error.status_code, message).body, error.status_code)


async def answer_bug(_request: Request, error: Exception) -> Response:
    """Our own bug: loud in the log (the server prints the traceback), and an honest 500 for the client."""
    message = f"The emulator failed: {type(error).__name__}: {error}"
    return Json(ApiError(500, message, kind="server_error", code="emulator_bug").body, 500)
