"""What the API says of itself: its OpenAPI document, with our own error body in it."""

import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.errors import Problem, problems

TAGS: Final = [
    {"name": "teams", "description": "Teams and their API keys."},
    {"name": "me", "description": "Who the caller is."},
    {"name": "connections", "description": "Accounts at providers: keys, caps, health. For operators."},
    {"name": "catalog", "description": "Base models and what training them costs."},
    {"name": "budgets", "description": "What a team may spend in a month."},
    {"name": "limits", "description": "What a team may train, how much of it, and when somebody else has to agree."},
    {"name": "datasets", "description": "Training files, checked before anything is spent on them."},
    {"name": "jobs", "description": "Fine-tuning jobs: priced first, submitted once, followed to their end."},
    {"name": "costs", "description": "What teams have spent, to the last digit."},
    {"name": "models", "description": "Tuned models, their versions, and which of them serves where."},
    {"name": "operations", "description": "What waits for a person. For operators."},
    {"name": "problems", "description": "What error codes mean."},
    {"name": "health", "description": "For load balancers and supervisors."},
]
_DESCRIPTION: Final = """\
The control plane for fine-tuning inside a company: datasets, jobs, budgets, costs and the model registry.

Every request but those for health and error codes carries `Authorization: Bearer <API key>`. Every answer has an
`x-request-id`; quote it when you ask for help. Errors are RFC 9457 problems whose `error` member is what OpenAI's SDKs
show. How often a key may ask stands in `RateLimit-Policy`, what is left in `RateLimit`; beyond it a request is a 429
with `Retry-After`. Lists are paged with `after` and `limit`. Money is a decimal string beside its currency; times are
RFC 3339, UTC.
"""
_HEADERS: Final = {
    "x-request-id": {"description": "Names this request in our logs.", "schema": {"type": "string"}},
    "ratelimit-policy": {
        "description": "How many requests a window of so many seconds may have: of this key, of its team. Absent: any.",
        "schema": {"type": "string", "examples": ['"key";q=6000;w=60, "team";q=600;w=60']},
    },
    "ratelimit": {
        "description": "How many are left, and in how many seconds there are more again.",
        "schema": {"type": "string", "examples": ['"key";r=5998;t=60, "team";r=512;t=13']},
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`, with our own error body in place of FastAPI's."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Tuneplane", version=app.version, description=_DESCRIPTION, routes=app.routes, tags=TAGS
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs") | {"Problem": schema}
        document["components"]["headers"] = _HEADERS
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = _refused_by_the_edge(path, operation) | operation["responses"]
                _correct(operation["responses"], counted=_is_counted(path, operation))
        app.openapi_schema = document
    return app.openapi_schema


def _refused_by_the_edge(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """What no route names because none raises it: no database, a key that asks too often, a body that cannot be."""
    statuses = [503] if path.startswith("/v1/") else []
    if _is_counted(path, operation):
        statuses.append(429)
    if "requestBody" in operation:
        statuses += [408, 413, 415]
    return {str(status): response for status, response in problems(*statuses).items()}


def _is_counted(path: str, operation: dict[str, Any]) -> bool:
    """Whether it counts how often a key asks. A chatbot that resolves a model always gets an answer."""
    return "security" in operation and not path.endswith("/resolve")


def _correct(responses: dict[str, Any], *, counted: bool) -> None:
    if "HTTPValidationError" in json.dumps(responses.get("422", {})):
        responses["422"] = problems(422)[422]
    for response in responses.values():
        for name in _HEADERS if counted else ("x-request-id",):
            response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}
