"""The one table family → status → body. `handlers.py` sends every failure through it.

A body is RFC 9457 problem+json that also carries OpenAI's `error` member, because both official SDKs show a person the
message only when they find it there (openai-python loses it otherwise, openai-js says "no body").
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from service.kit import errors

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_SECONDS_MAX: Final = 60  # told to wait longer, openai-js 6 sleeps that long, twice: tell it not to

FAMILY_STATUS: Final[Mapping[type[errors.TuneplaneError], HTTPStatus]] = {
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitReached: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_OPENAI_TYPES: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.CONFLICT: "conflict_error",
    HTTPStatus.GONE: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
_OTHERS: Final = ("invalid_request_error", "api_error")  # below 500, and from there on
_RENAMED: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # by RFC 9110; Python follows in 3.13
_RETRIED_UNLESS_TOLD: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


class Blame(BaseModel):
    """One thing that is wrong with a request: `pointer` when it lies in the body, else `parameter`."""

    pointer: str | None = Field(None, description="RFC 6901 pointer into the body.", examples=["#/method/type"])
    parameter: str | None = Field(None, description="Name of a path or query parameter or header.", examples=["limit"])
    detail: str
    code: str


class OpenAIError(BaseModel):
    """The member OpenAI's SDKs read."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """What went wrong, by RFC 9457, with the `error` member that OpenAI's SDKs read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no model 'support-bot'.",
                    "instance": "/v1/models/support-bot#req_01m7w74m4ve4esgepz92mvfgnz",
                    "code": "not_found",
                    "request_id": "req_01m7w74m4ve4esgepz92mvfgnz",
                    "errors": [],
                    "facts": {"name": "support-bot"},
                    "error": {
                        "message": "There is no model 'support-bot'.",
                        "type": "not_found_error",
                        "param": None,
                        "code": "not_found",
                    },
                }
            ]
        }
    )

    type: str = Field(description="Where this kind of problem is explained, relative to the server.")
    title: str
    status: int
    detail: str = Field(description="One sentence a person can act on.")
    instance: str = Field(description="The path asked for and the request's id.")
    code: str = Field(description="What a program should look at; `openapi/errors.md` lists all of them.")
    request_id: str | None
    errors: list[Blame] = Field(description="Each thing that is wrong with the request.")
    facts: dict[str, Any] = Field(description="The values the sentence names, for programs.")
    error: OpenAIError


class KeyMissing(errors.Unauthenticated):
    """Send your API key as `Authorization: Bearer tp_…`."""

    code = "api_key_missing"


class ScopeMissing(errors.Forbidden):
    """A key of the role {role} may not do this: it lacks the scope {scope}."""

    code = "scope_missing"


class TeamArchived(errors.Forbidden):
    """Your team is archived: its keys may read and resolve, and nothing else. An operator can take it back."""

    code = "team_archived"


class TeamKeyRequired(errors.Forbidden):
    """This belongs to a team, so a team's own key must ask for it; yours has the role {role} and no team."""

    code = "team_key_required"


class UnknownUrl(errors.NotFound):
    """There is nothing at {method} {path}."""

    code = "unknown_url"


class MethodNotAllowed(errors.Invalid):
    """{method} is not possible here; these are: {allowed}."""

    code = "method_not_allowed"
    status = 405


class BodyTooLarge(errors.Invalid):
    """The request's body is larger than {bytes_max} bytes."""

    code = "body_too_large"
    status = 413


class BodyTooSlow(errors.Invalid):
    """The rest of the request's body did not come within {seconds} seconds."""

    code = "body_too_slow"
    status = 408


class NotJson(errors.Invalid):
    """Send the body as JSON and say so: `Content-Type: application/json` (curl: `--json`)."""

    code = "not_json"
    status = 415


class InvalidRequest(errors.Invalid):
    """The request is not valid: {what}."""

    code = "invalid_request"


class InternalError(errors.TuneplaneError):
    """Something went wrong on our side and was written down as {request_id}: please tell the platform team that id."""

    code = "internal_error"


def status_of(error: type[errors.TuneplaneError]) -> HTTPStatus:
    """The class's own status, else its family's; 500 outside the families."""
    if error.status is not None:
        return HTTPStatus(error.status)
    of_family = (status for family, status in FAMILY_STATUS.items() if issubclass(error, family))
    return next(of_family, HTTPStatus.INTERNAL_SERVER_ERROR)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: these statuses are answered with a Problem."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _phrase(HTTPStatus(status)), "content": content} for status in statuses}


def problem(
    error: errors.TuneplaneError,
    *,
    path: str,
    request_id: str | None,
    blames: list[Blame] | None = None,
    status: HTTPStatus | None = None,
) -> tuple[HTTPStatus, dict[str, str], dict[str, Any]]:
    """Status, headers and body of an error; `blames` and `status` where they are not the error's own."""
    status = status or status_of(type(error))
    blames = _blames(error) if blames is None else blames
    body = Problem(
        type=f"/problems/{error.code}",
        title=_phrase(status),
        status=status,
        detail=error.message,
        instance=f"{path}#{request_id}" if request_id else path,
        code=error.code,
        request_id=request_id,
        errors=blames,
        facts=to_jsonable_python(error.facts, serialize_unknown=True),
        error=OpenAIError(
            message=error.message,
            type=_OPENAI_TYPES.get(status, _OTHERS[status >= HTTPStatus.INTERNAL_SERVER_ERROR]),
            param=_param(blames[0]) if blames else None,
            code=error.code,
        ),
    ).model_dump()
    body["errors"] = [blame.model_dump(exclude_none=True) for blame in blames]
    return status, _headers(error, status), body


def _phrase(status: HTTPStatus) -> str:
    return _RENAMED.get(status, status.phrase)


def _blames(error: errors.TuneplaneError) -> list[Blame]:
    if error.pointer is None:
        return []
    where = {"pointer" if error.pointer.startswith("#") else "parameter": error.pointer}
    return [Blame(**where, detail=error.message, code=error.code)]


def _param(blame: Blame) -> str | None:
    """The field's own name, as in the SDKs' `error.param`: the pointer's last part that is no index."""
    if blame.pointer is None:
        return blame.parameter
    names = [part for part in blame.pointer.split("/")[1:] if not part.isdigit()]
    return names[-1] if names else None


def _headers(error: errors.TuneplaneError, status: HTTPStatus) -> dict[str, str]:
    headers = {}
    wait = error.retry_after_seconds
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tuneplane"'
    if wait is not None:
        headers["Retry-After"] = str(wait)
    transient = wait is not None and wait <= RETRY_AFTER_SECONDS_MAX
    if status in _RETRIED_UNLESS_TOLD and not transient:
        headers["x-should-retry"] = "false"
    return headers


class Explanation(BaseModel):
    """One kind of problem."""

    code: str = Field(examples=["model_not_found"])
    status: int = Field(examples=[404])
    family: str = Field(description="What kind of obstacle it is.", examples=["NotFound"])
    message: str = Field(description="The sentence, with the names of its facts in braces.")


def explanations() -> list[Explanation]:
    """Every problem there can be, by code."""
    return sorted((_explain(error) for error in set(_every_error(errors.TuneplaneError))), key=lambda one: one.code)


def _every_error(parent: type[errors.TuneplaneError]) -> Iterator[type[errors.TuneplaneError]]:
    for child in parent.__subclasses__():
        if "code" in vars(child) and child.__module__.startswith("service."):
            yield child
        yield from _every_error(child)


def _explain(error: type[errors.TuneplaneError]) -> Explanation:
    family = next((family.__name__ for family in FAMILY_STATUS if issubclass(error, family)), "Internal")
    message = " ".join(cleandoc(error.__doc__ or "").split()).replace("!r}", "}")
    return Explanation(code=error.code, status=status_of(error), family=family, message=message)
