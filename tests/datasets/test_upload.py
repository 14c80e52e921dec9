"""Posting a dataset: through the API, over a socket where the bytes themselves matter."""

import base64
import gzip
import hashlib
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from service.cli.local import LocalStack
from service.kit.settings import settings
from tests.stack import Platform, Team, conversations
from tests.until import until

JSONL = {"Content-Type": "application/jsonl"}
BOUNDARY = "----tuneplane"


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def post(team: Team, content: Any, **headers: str) -> httpx2.Response:
    return team.member.post("/v1/datasets?filename=train.jsonl", content=content, headers=JSONL | headers)


def form(*parts: tuple[str, bytes], close: bool = True) -> bytes:
    body = b""
    for disposition, value in parts:
        body += f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + value + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if close else b"")


def post_form(team: Team, body: bytes, **headers: str) -> httpx2.Response:
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return team.member.post("/v1/datasets", content=body, headers=kind | headers)


def stored(stack: LocalStack, team: Team) -> list[Path]:
    """Everything of this team that lies in storage, bar what a worker may have put beside it."""
    from service.kit.ids import read

    own = str(read("team", team.id))
    return [file for file in (stack.folder / "objects").rglob("*") if _is_own(file, own)]


def _is_own(file: Path, team: str) -> bool:
    return file.is_file() and team in file.parts and "problems" not in file.parts


def test_a_raw_body_becomes_a_dataset(team: Team, stack: LocalStack) -> None:
    content = conversations()
    made = post(team, content, **{"Content-Digest": digest(content)})
    assert made.status_code == 202, made.text
    dataset = made.json()
    assert made.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert (dataset["filename"], dataset["name"], dataset["bytes"]) == ("train.jsonl", "train", len(content))
    assert dataset["sha256"] == hashlib.sha256(content).hexdigest()
    assert dataset["state"] in ("received", "validating", "ready")
    (file,) = stored(stack, team)
    assert file.read_bytes() == content
    assert team.viewer.get(made.headers["location"]).json()["id"] == dataset["id"]


def test_a_form_becomes_a_dataset(team: Team, stack: LocalStack) -> None:
    content = conversations()
    made = team.member.post(
        "/v1/datasets", files={"file": ("C:\\data\\täglich.jsonl", content)}, data={"name": "Daily"}
    )
    assert made.status_code == 202, made.text
    assert (made.json()["filename"], made.json()["name"]) == ("täglich.jsonl", "Daily")
    assert [file.read_bytes() for file in stored(stack, team)] == [content]


def test_the_same_bytes_are_the_same_dataset_of_a_team_and_of_no_other(
    make_team: Callable[..., Team], stack: LocalStack
) -> None:
    team, other, content = make_team(), make_team(), conversations(topic="twice")
    first = post(team, content)
    again = team.member.post("/v1/datasets", files={"file": ("other-name.jsonl", content)})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["filename"] == "train.jsonl"
    assert again.headers["location"] == first.headers["location"]
    foreign = post(other, content)
    assert foreign.status_code == 202
    assert foreign.json()["id"] != first.json()["id"]
    assert len(stored(stack, team)) == len(stored(stack, other)) == 1


def test_the_same_bytes_at_the_same_time_are_one_dataset(team: Team, stack: LocalStack) -> None:
    content = conversations(topic="rush")
    _ = team.member  # one key for all
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: post(team, content), range(16)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 15}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stored(stack, team)) == 1


def test_another_teams_dataset_does_not_exist(make_team: Callable[..., Team]) -> None:
    team, other = make_team(), make_team()
    path = post(team, conversations()).headers["location"]
    unknown = "/v1/datasets/dset_01kagdwa5ye0h8m9c6j7t5a3xq"
    for client in (other.member, other.admin):
        for one in (path, f"{path}/report", unknown, "/v1/datasets/nonsense"):
            assert client.get(one).status_code == 404
        assert client.get("/v1/datasets").json()["data"] == []
    assert team.operator.get(path).status_code == 403


def test_only_who_may_write_datasets_can_post_one(team: Team, stack: LocalStack) -> None:
    content = conversations()
    answers = {
        401: httpx2.post(f"{team.base_url}/v1/datasets", content=content, headers=JSONL),
        403: team.viewer.post("/v1/datasets", content=content, headers=JSONL),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
    assert team.resolver.get("/v1/datasets").status_code == 403
    assert stored(stack, team) == []


def test_lists_are_newest_first_and_paged(team: Team) -> None:
    made = [post(team, conversations(topic=topic)).json()["id"] for topic in ("one", "two", "three")]
    page = team.viewer.get("/v1/datasets?limit=2").json()
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([made[2], made[1]], True)
    rest = team.viewer.get(f"/v1/datasets?limit=2&after={page['last_id']}").json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([made[0]], False)


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("Content-Digest", digest(b"something else"), 422, "digest_mismatch"),
        ("Content-Digest", "sha-256=:c2hvcnQ=:", 422, "content_digest_malformed"),
        ("Content-Digest", "sha-256=plain", 422, "content_digest_malformed"),
        ("Content-Encoding", "br", 415, "content_encoding_unsupported"),
        ("Content-Type", "application/x-www-form-urlencoded", 415, "media_type_unsupported"),
        ("Content-Type", "image/png", 415, "media_type_unsupported"),
        ("Content-Type", "multipart/form-data", 422, "multipart_malformed"),
    ],
)
def test_what_is_wrong_with_the_headers_is_said_and_nothing_is_kept(
    team: Team, stack: LocalStack, header: str, value: str, status: int, code: str
) -> None:
    refused = post(team, conversations(), **{header: value})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert stored(stack, team) == []


def test_a_digest_of_another_kind_is_left_alone_and_sha_256_found_beside_it(team: Team) -> None:
    content = conversations()
    assert post(team, content, **{"Content-Digest": "sha-512=:AAAA:"}).status_code == 202
    both = f"sha-512=:AAAA:, {digest(b'wrong')}"
    assert post(team, conversations(topic="b"), **{"Content-Digest": both}).json()["code"] == "digest_mismatch"


def test_the_digest_of_a_form_is_that_of_the_whole_body(team: Team) -> None:
    """RFC 9530: Content-Digest speaks of the message's content, and a form's content is the form."""
    content = conversations()
    body = form(('name="file"; filename="a.jsonl"', content))
    assert post_form(team, body, **{"Content-Digest": digest(content)}).json()["code"] == "digest_mismatch"
    assert post_form(team, body, **{"Content-Digest": digest(body)}).status_code == 202


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "multipart_malformed"),
        (b"no boundary at all", "multipart_malformed"),
        (form(('name="other"', b"x")), "multipart_malformed"),
        (form(('name="file"; filename="a"', b"x"), ('name="file"; filename="b"', b"y")), "multipart_malformed"),
        (form(('name="file"; filename="a"', b"x"), close=False), "multipart_malformed"),
        (form(('name="file"; filename="a"', b"")), "empty_file"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(team: Team, stack: LocalStack, body: bytes, code: str) -> None:
    refused = post_form(team, body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert stored(stack, team) == []


def test_an_empty_body_is_refused(team: Team) -> None:
    refused = post(team, b"")
    assert (refused.status_code, refused.json()["code"]) == (422, "empty_file")


def test_names_are_cleaned(team: Team) -> None:
    hostile = "/v1/datasets?filename=..%2F..%2Fetc%2Fpass%00wd%0A.jsonl&name=%1b[31mred%00"
    made = team.member.post(hostile, content=conversations(), headers=JSONL)
    assert (made.json()["filename"], made.json()["name"]) == ("passwd.jsonl", "[31mred")
    nameless = team.member.post("/v1/datasets", content=conversations(topic="b"), headers=JSONL)
    assert nameless.json()["filename"] == "dataset.jsonl"


# ----------------------------------------------------------------------------------------------- sizes and connections
class Wire:
    """A raw connection: says exactly what it is told to, when it is told."""

    def __init__(self, team: Team, headers: dict[str, str]) -> None:
        address = urlsplit(team.base_url)
        self.socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=15)
        lines = {"Host": "x", "Authorization": f"Bearer {team.member.key}", **JSONL, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"POST /v1/datasets HTTP/1.1\r\n{head}\r\n".encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer, read until the server closes."""
        said = b""
        while piece := self.socket.recv(65536):
            said += piece
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def wire(team: Team) -> Iterator[Callable[..., Wire]]:
    wires: list[Wire] = []

    def connect(**headers: str) -> Wire:
        wires.append(Wire(team, headers))
        return wires[-1]

    yield connect
    for one in wires:
        one.close()


def test_a_body_announced_too_large_is_refused_before_it_is_sent(wire: Callable[..., Wire]) -> None:
    connection = wire(**{"Content-Length": str(settings().upload_bytes_max + 1)})
    status, problem = connection.answer()
    assert (status, problem["code"]) == (413, "body_too_large")


def test_a_body_that_goes_silent_is_given_up(wire: Callable[..., Wire], team: Team, stack: LocalStack) -> None:
    connection = wire(**{"Content-Length": "1000"})
    connection.send(b"{")
    started = time.monotonic()
    status, problem = connection.answer()
    assert (status, problem["code"]) == (408, "body_too_slow")
    assert time.monotonic() - started < settings().body_idle_seconds + 3
    assert stored(stack, team) == []
    assert team.viewer.get("/v1/datasets").json()["data"] == []


def test_a_connection_that_breaks_leaves_nothing(wire: Callable[..., Wire], team: Team, stack: LocalStack) -> None:
    connection = wire(**{"Content-Length": str(20 * 1024**2)})
    connection.send(b"x" * 8 * 1024**2)
    until(lambda: list((stack.folder / "objects" / "incoming").rglob("*/*")), what="something on its way in")
    connection.close()
    until(lambda: not stored(stack, team), what="nothing left")
    assert team.viewer.get("/v1/datasets").json()["data"] == []


def test_a_body_that_grows_too_large_is_cut_off_and_a_full_disk_is_507(
    own_platform: Callable[..., LocalStack],
) -> None:
    import resource

    stack = own_platform(settings={"upload_bytes_max": "300000"})
    stack.start_api()
    team = Platform(stack).team(budget=None)

    def chunks(size: int) -> Iterator[bytes]:
        for _ in range(size // 10_000):
            yield b"x" * 10_000

    too_large = post(team, chunks(400_000))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "body_too_large")
    assert post_form(team, form(('name="file"; filename="a"', b"x" * 300_001))).status_code == 413
    assert post(team, chunks(300_000)).status_code == 202
    api = stack.processes.pid("api")
    resource.prlimit(api, resource.RLIMIT_FSIZE, (100_000, 100_000))
    full = post(team, chunks(290_000))
    assert (full.status_code, full.json()["code"]) == (507, "storage_full")
    packed = post(team, gzip.compress(random.Random(7).randbytes(140_000).hex().encode()))  # small, until unpacked
    assert (packed.status_code, packed.json()["code"]) == (507, "storage_full")
    assert len(stored(stack, team)) == len(team.viewer.get("/v1/datasets").json()["data"]) == 1
