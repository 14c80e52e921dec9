"""Every failure of the application becomes a Problem here.

The handlers are `async` so that telling somebody about a failure never waits for a free thread: with the database away,
threads are what is short.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from service.api.errors import (
    PROBLEM_JSON,
    Blame,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotJson,
    UnknownUrl,
    problem,
)
from service.kit import logs
from service.kit.errors import TuneplaneError

log = logs.get(__name__)


def install(app: FastAPI) -> None:
    """Answer every failure of `app` with a Problem."""
    app.add_exception_handler(TuneplaneError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_surprise)


def respond(
    request: Request, error: TuneplaneError, blames: list[Blame] | None = None, status: HTTPStatus | None = None
) -> JSONResponse:
    """The answer to a request that failed with `error`."""
    request_id = getattr(request.state, "request_id", None)
    status, headers, body = problem(error, path=request.url.path, request_id=request_id, blames=blames, status=status)
    return JSONResponse(body, status_code=status, headers=headers, media_type=PROBLEM_JSON)


async def _on_our_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TuneplaneError)  # noqa: S101 - Starlette's types cannot say it
    return respond(request, error)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if isinstance(error.body, bytes):  # FastAPI leaves a body alone whose content type is not JSON
        return respond(request, NotJson())
    blames = [_blame(found, error.body) for found in error.errors()]
    where = "the body" if blames[0].pointer == "#" else blames[0].pointer or blames[0].parameter
    what = f"{where}: {blames[0].detail}"
    if len(blames) > 1:
        what += f" (and {len(blames) - 1} more in `errors`)"
    return respond(request, InvalidRequest(what=what), blames)


def _blame(found: Mapping[str, Any], body: object) -> Blame:
    """Pydantic's finding without the offending input, which may be a secret or training text."""
    where, *path = found["loc"]
    detail, code = found["msg"].removeprefix("Value error, ").rstrip("."), found["type"]
    if where != "body":
        return Blame(parameter=".".join(map(str, path)) or where, detail=detail, code=code)
    if code == "json_invalid":
        detail, path = f"{found['ctx']['error']} at character {path[0]}", []
    elif not path and code == "missing":
        detail = "it is missing"
    elif code in ("model_attributes_type", "model_type", "dict_type"):
        detail = "Input should be an object"
    places = _places(path, body, with_absent=code == "missing")
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in places)
    return Blame(pointer="#" + "".join(f"/{part}" for part in escaped), detail=detail, code=code)


def _places(path: Sequence[str | int], body: Any, *, with_absent: bool) -> Iterator[str | int]:
    """The parts of Pydantic's path that are places in `body`: it also names the branch of a union it tried."""
    for index, part in enumerate(path):
        if _holds(body, part):
            body = body[part]
        elif not (with_absent and index == len(path) - 1):
            continue
        yield part


def _holds(body: object, part: str | int) -> bool:
    if isinstance(body, list):
        return isinstance(part, int) and part < len(body)
    return isinstance(body, dict) and part in body


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """The framework's own refusals: no such route, no such method, an unreadable body."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, TuneplaneError):  # raised while FastAPI was reading the body
        return respond(request, error.__cause__)
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(request, UnknownUrl(method=request.method, path=path))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request.app, path))
        response = respond(request, MethodNotAllowed(method=request.method, allowed=allowed))
        response.headers["Allow"] = allowed
        return response
    if error.status_code == HTTPStatus.BAD_REQUEST:  # what json.loads refuses without saying where
        blame = Blame(
            pointer="#", detail="it is not UTF-8, nested too deeply, or holds a huge number", code="json_invalid"
        )
        return respond(request, InvalidRequest(what=f"the body: {blame.detail}"), [blame])
    return respond(request, InvalidRequest(what=error.detail), status=HTTPStatus(error.status_code))


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Methods of all routes at `path`: Starlette's own Allow header knows only the first of them."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.path and route.methods and compile_path(route.path)[0].match(path):
            found |= route.methods
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


async def _on_surprise(request: Request, error: Exception) -> JSONResponse:
    """A programming error: the log gets everything, the caller an id to quote."""
    log.error("http.surprise", exc_info=error)
    return respond(request, InternalError(request_id=getattr(request.state, "request_id", None)))
