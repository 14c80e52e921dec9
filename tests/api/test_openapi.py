import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from service.api.openapi import render, render_errors

FOLDER = Path(__file__).parents[2] / "openapi"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(json.loads(render()))


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]


@pytest.mark.parametrize(("name", "content"), [("openapi.json", render()), ("errors.md", render_errors())])
def test_the_committed_files_are_current(name: str, content: str) -> None:
    assert (FOLDER / name).read_text() == content, "run `make openapi` and commit what it writes"


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert operation.get("summary"), f"{method} {path} has no summary"
        assert operation.get("description"), f"{method} {path} has no description"
        assert set(operation["tags"]) <= tags, f"{method} {path} has an unknown tag"


def test_operations_have_short_and_different_names(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


BY_NAME = {"/v1/costs/idle-models"}  # whose cursor is a name that need not exist any more
SIGNED = {"/v1/provider-webhooks/{connection}"}  # instead of carrying a key


def test_every_guarded_operation_says_which_scope_it_takes_and_how_it_refuses(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith("/v1/") and path not in SIGNED:
            assert operation["security"][0]["ApiKey"], f"{method} {path} names no scope"
            assert {"401", "403"} <= operation["responses"].keys(), f"{method} {path} hides its refusals"
            counted = "429" in operation["responses"] and "ratelimit" in operation["responses"]["429"]["headers"]
            assert counted or path.endswith("/resolve"), f"{method} {path} does not say how often it may be asked"


def test_every_refusal_before_and_behind_a_route_is_told(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        answers = operation["responses"].keys()
        assert not path.startswith("/v1/") or "503" in answers, f"{method} {path} needs the database"
        assert "requestBody" not in operation or {"408", "413", "415"} <= answers, f"{method} {path} takes a body"
        cursors = [one for one in operation.get("parameters", []) if one["name"] == "after"]
        assert not cursors or "404" in answers or path in BY_NAME, f"{method} {path} takes a cursor"


def test_every_parameter_is_explained(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for one in operation.get("parameters", []):
            assert one.get("description"), f"{method} {path} says nothing of {one['name']}"


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/readyz":
                assert response.get("content") == problem, f"{method} {path} {status}"
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        OAS31Validator.check_schema(schema)
    references = set(_references(document))
    assert references
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [reference for child in node for reference in _references(child)]
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for child in node.values() for reference in _references(child)]
    return []


def test_codes_of_errors_are_words() -> None:
    codes = [row.split("`")[1] for row in render_errors().splitlines() if row.startswith("| `")]
    assert len(codes) > 20
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
