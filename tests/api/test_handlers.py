"""Errors on their way out, in an application of our own that makes them at will."""

import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from service.api import handlers
from service.api.draining import Draining
from service.api.middleware import Edge
from service.kit.errors import Conflict, LimitReached, Unavailable
from tests.api.problems import problem


class Trouble(LimitReached):
    """Too much of {what}."""

    code = "trouble"


class Clash(Conflict):
    """It clashes."""

    code = "clash"


class Away(Unavailable):
    """It is away."""

    code = "away"


@pytest.fixture
def draining() -> Draining:
    return Draining()


@pytest.fixture
def client(draining: Draining) -> TestClient:
    app = FastAPI()
    handlers.install(app)

    @app.get("/surprise")
    def surprise() -> None:
        raise ValueError("the secret ingredient")

    @app.get("/half")
    def half() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise ValueError("halfway")

        return StreamingResponse(pieces())

    @app.get("/trouble/{wait}")
    def trouble(wait: int) -> None:
        raise Trouble(what="it", retry_after_seconds=wait or None)

    @app.get("/clash")
    def clash() -> None:
        raise Clash(pointer="#/a/0/b~1c")

    @app.get("/away")
    def away() -> None:
        raise Away(retry_after_seconds=5)

    return TestClient(Edge(app, draining))


def test_a_surprise_is_logged_and_told_as_an_id_only(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answered = client.get("/surprise")
    body = problem(answered)
    assert (body["status"], body["code"], body["error"]["type"]) == (500, "internal_error", "api_error")
    assert body["request_id"] in body["detail"]
    assert "secret ingredient" not in answered.text
    assert answered.headers["x-content-type-options"] == "nosniff"


def test_an_answer_that_breaks_halfway_is_not_taken_for_whole(client: TestClient) -> None:
    with pytest.raises(ValueError, match="halfway"):
        client.get("/half")


def test_who_may_try_again_is_told_when(client: TestClient) -> None:
    soon, away = client.get("/trouble/7"), client.get("/away")
    assert (soon.status_code, soon.headers["retry-after"], "x-should-retry" in soon.headers) == (429, "7", False)
    assert (away.status_code, away.headers["retry-after"], "x-should-retry" in away.headers) == (503, "5", False)
    assert away.json()["error"]["type"] == "api_error"


def test_the_sdks_are_told_not_to_try_again_in_vain(client: TestClient) -> None:
    assert client.get("/clash").headers["x-should-retry"] == "false"
    assert client.get("/trouble/0").headers["x-should-retry"] == "false"
    assert client.get("/trouble/300").headers["x-should-retry"] == "false"  # openai-js would sleep all that time


def test_a_pointer_is_kept_and_its_last_name_is_the_sdk_s_param(client: TestClient) -> None:
    body = client.get("/clash").json()
    assert body["errors"] == [{"pointer": "#/a/0/b~1c", "detail": "It clashes.", "code": "clash"}]
    assert body["error"]["param"] == "b~1c"


def test_connections_are_let_go_while_draining(client: TestClient, draining: Draining) -> None:
    assert "connection" not in client.get("/away").headers
    draining.begin()
    assert client.get("/away").headers["connection"] == "close"
