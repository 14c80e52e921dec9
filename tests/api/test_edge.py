"""What every request passes, whatever it asks for."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest

from tests.api.problems import problem
from tests.stack import Platform, Team
from tests.until import until


def test_an_error_is_a_problem_and_an_openai_error(team: Team) -> None:
    answered = team.member.get("/v1/models/nope")
    body = problem(answered)
    assert body == {
        "type": "/problems/model_not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no model 'nope'.",
        "instance": f"/v1/models/nope#{body['request_id']}",
        "code": "model_not_found",
        "request_id": body["request_id"],
        "errors": [],
        "facts": {"name": "nope"},
        "error": {
            "message": "There is no model 'nope'.",
            "type": "not_found_error",
            "param": None,
            "code": "model_not_found",
        },
    }


def test_the_type_of_a_problem_leads_to_its_explanation(team: Team) -> None:
    where = problem(team.member.get("/v1/models/nope"))["type"]
    (explained,) = httpx2.get(team.base_url + where).json()
    assert explained == {
        "code": "model_not_found", "status": 404, "family": "NotFound", "message": "There is no model {name}."
    }  # fmt: skip


def test_openai_s_own_client_shows_message_code_type_and_request_id(team: Team) -> None:
    client = openai.OpenAI(base_url=f"{team.base_url}/v1", api_key=team.member.key, max_retries=0)
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert "There is no model 'nope'." in str(caught.value)
    assert (caught.value.code, caught.value.type) == ("model_not_found", "not_found_error")
    assert (caught.value.request_id or "").startswith("req_")


def test_a_request_keeps_the_id_it_came_with_if_that_is_harmless(team: Team) -> None:
    for path in ("/v1/models", "/v1/models/x/resolve", "/livez"):
        assert team.member.get(path, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
        for strange in ("a b", "x" * 65, "", "<script>"):
            given = team.member.get(path, headers={"x-request-id": strange}).headers["x-request-id"]
            assert given.startswith("req_")
            assert len(given) in (30, 39)  # a TypeID, counted on where models are resolved


def test_answers_are_not_sniffed_and_not_stored(team: Team) -> None:
    headers = team.member.get("/v1/models").headers
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_an_unknown_path_is_not_found(team: Team) -> None:
    body = problem(team.member.get("/v1/nope"))
    assert (body["status"], body["code"]) == (404, "unknown_url")


def test_a_method_that_is_not_there_names_all_that_are(team: Team) -> None:
    answered = team.member.delete("/v1/datasets")
    assert problem(answered)["code"] == "method_not_allowed"
    assert (answered.status_code, answered.headers["allow"]) == (405, "GET, HEAD, POST")


def test_head_is_answered_wherever_get_is(team: Team) -> None:
    resolve = "/v1/models/nope/resolve"
    until(lambda: team.member.get(resolve).status_code == 404, what="the new key to be in the resolver's memory")
    for path in ("/v1/models", "/v1/models/nope", resolve, "/livez", "/v1/nope"):
        head, get = team.member.http.head(path), team.member.get(path)
        assert head.status_code == get.status_code
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]
        assert "content-length" in head.headers


def test_every_wrong_field_is_named(platform: Platform) -> None:
    body = problem(platform.operator.post("/v1/teams", {"slug": 7, "nope": 1}))
    assert (body["status"], body["code"]) == (422, "invalid_request")
    assert {blame["pointer"] for blame in body["errors"]} == {"#/slug", "#/name", "#/nope"}
    assert all(blame["detail"] and blame["code"] for blame in body["errors"])


@pytest.mark.parametrize(
    ("hyperparameters", "pointer", "param"),
    [
        ({"n_epochs": 1.5}, "#/method/hyperparameters/n_epochs", "n_epochs"),
        ({"batch_size": "big"}, "#/method/hyperparameters/batch_size", "batch_size"),
        ({"epochs~/": 3}, "#/method/hyperparameters/epochs~0~1", "epochs~0~1"),
        ([], "#/method/hyperparameters", "hyperparameters"),
    ],
)
def test_a_pointer_leads_to_a_place_in_the_body(team: Team, hyperparameters: Any, pointer: str, param: str) -> None:
    method = {"type": "supervised", "hyperparameters": hyperparameters}
    body = problem(team.member.post("/v1/jobs", {"model": "m", "dataset": "d", "method": method}))
    assert {blame["pointer"] for blame in body["errors"]} == {pointer}
    assert body["error"]["param"] == param


def test_the_words_are_those_of_json(platform: Platform) -> None:
    def detail(body: Any) -> str:
        return str(problem(platform.operator.post("/v1/teams", body))["errors"][0]["detail"])

    assert detail([]) == "Input should be an object"
    assert detail({"slug": "nul", "name": "\x00"}) == "the character U+0000 cannot be stored"


def test_a_wrong_parameter_is_named(team: Team) -> None:
    body = problem(team.member.get("/v1/models?limit=0"))
    assert (body["errors"][0]["parameter"], body["error"]["param"]) == ("limit", "limit")
    assert "pointer" not in body["errors"][0]


def test_what_was_sent_is_not_echoed(platform: Platform) -> None:
    secret = "sk-canary-0123456789"
    for sent in ({"slug": secret, "name": [secret], secret: 1}, [secret], secret):
        answered = platform.operator.post("/v1/teams", sent)
        assert answered.status_code == 422
        assert secret not in json.dumps([blame["detail"] for blame in answered.json()["errors"]])


def test_broken_json_says_where(platform: Platform) -> None:
    answered = platform.operator.post("/v1/teams", content=b'{"slug": ', headers={"content-type": "application/json"})
    assert problem(answered)["errors"][0] == {
        "pointer": "#", "detail": "Expecting value at character 9", "code": "json_invalid"
    }  # fmt: skip


@pytest.mark.parametrize(
    "unreadable",
    [b'{"slug": "\xff"}', b"[" * 100_000, b'{"slug": ' + b"9" * 5000 + b"}"],
    ids=["bytes", "deep", "huge"],
)
def test_json_that_python_cannot_read_is_refused_like_any_other(platform: Platform, unreadable: bytes) -> None:
    body = problem(
        platform.operator.post("/v1/teams", content=unreadable, headers={"content-type": "application/json"})
    )
    assert (body["status"], body["code"]) == (422, "invalid_request")
    assert (body["errors"][0]["pointer"], body["errors"][0]["code"]) == ("#", "json_invalid")


def test_a_body_that_is_not_said_to_be_json_is_not_guessed_at(platform: Platform) -> None:
    body = problem(platform.operator.post("/v1/teams", content=b"{}"))
    assert (body["status"], body["code"]) == (415, "not_json")


def test_a_body_may_be_a_megabyte(platform: Platform) -> None:
    answered = platform.operator.post("/v1/teams", {"slug": "x", "name": "n" * 2**20})
    assert (problem(answered)["code"], answered.headers["connection"]) == ("body_too_large", "close")
    assert answered.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 2**16

    answered = platform.operator.post("/v1/teams", content=chunks(), headers={"content-type": "application/json"})
    assert (answered.status_code, problem(answered)["code"]) == (413, "body_too_large")


def test_a_body_that_stops_coming_is_given_up(platform: Platform) -> None:
    address = urlsplit(platform.stack.api_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/teams HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
            b"Authorization: Bearer " + platform.operator.key.encode() + b"\r\n\r\n{"
        )
        received = b""
        while piece := connection.recv(65536):  # until the server closes
            received += piece
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in received


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [(None, "api_key_missing"), ("Basic abc", "api_key_missing"), ("Bearer nonsense", "invalid_api_key")],
)
def test_without_a_valid_key_nothing_is_told(platform: Platform, authorization: str | None, expected: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answered = httpx2.get(f"{platform.stack.api_url}/v1/teams", headers=headers)
    assert (answered.status_code, problem(answered)["code"]) == (401, expected)
    assert answered.headers["www-authenticate"].startswith("Bearer")


def test_the_scope_is_checked_before_the_object(team: Team) -> None:
    body = problem(team.viewer.put("/v1/models/nope/aliases/production", {"version": 1}))
    assert (body["status"], body["code"]) == (403, "scope_missing")
    assert body["facts"] == {"role": "viewer", "scope": "models:write"}


def test_what_belongs_to_a_team_needs_a_team_s_key(platform: Platform) -> None:
    body = problem(platform.operator.get("/v1/models"))
    assert (body["status"], body["code"]) == (403, "team_key_required")


def test_a_request_leaves_one_line_in_the_log_and_a_probe_none(platform: Platform, team: Team) -> None:
    team.member.get("/v1/models/nope?after=canary", headers={"x-request-id": "log-line-1"})
    team.member.get("/readyz", headers={"x-request-id": "log-line-2"})
    log = platform.stack.processes.log("api")

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if "log-line-" in line]

    until(lines)
    (line,) = map(json.loads, lines())
    assert (line["event"], line["request_id"]) == ("http.request", "log-line-1")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/models/{name}", 404)
    assert line["ms"] > 0
    assert line["actor"].startswith("key_")
    assert "canary" not in log.read_text()
