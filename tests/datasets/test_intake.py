"""Packed uploads: unpacked on their way in, refused where they are broken or bombs, and nothing left of those."""

import base64
import gzip
import hashlib
import itertools
import os
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from backports import zstd

from service.api.intake import Intake
from service.cli.local import LocalStack
from service.kit.errors import TuneplaneError
from service.kit.ids import read
from service.kit.settings import settings
from tests.stack import Platform, Team, conversations
from tests.until import until

PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
BOTH = pytest.mark.parametrize("packing", list(PACKED))
BOUNDARY = "----tuneplane"
MIB = 2**20


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def form(content: bytes, filename: str = "train.jsonl", beside: bytes = b"") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
    other = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n'.encode() + beside
    return head + content + other + f"\r\n--{BOUNDARY}--\r\n".encode()


IN_A_FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


# --------------------------------------------------------------------------------------------------- without a server
def take(body: bytes, *, at_a_time: int = 65536, filename: str | None = None, **headers: str) -> tuple[bytes, Intake]:
    """What an upload of this body keeps."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    intake = Intake(named, filename=filename, name=None, content_digest=named.get("content-digest"))
    chunks = [body[start : start + at_a_time] for start in range(0, len(body), at_a_time)]
    kept = [piece for chunk in chunks for piece in intake.feed(chunk)] + [*intake.finish()]
    return b"".join(kept), intake


def refusal(body: bytes, **options: Any) -> str:
    with pytest.raises(TuneplaneError) as refused:
        take(body, **options)
    return refused.value.code


@BOTH
@pytest.mark.parametrize("at_a_time", [1, 7, 65536])
def test_however_it_is_packed_the_same_is_kept(packing: str, at_a_time: int) -> None:
    content = conversations()
    packed = PACKED[packing](content)
    ways: list[tuple[bytes, dict[str, str]]] = [
        (content, {}),
        (packed, {"content_encoding": packing}),
        (packed, {"content_type": f"application/{packing}"}),
        (PACKED["gzip"](packed), {"content_encoding": "X-Gzip"}),
        (form(packed), IN_A_FORM),
        (PACKED[packing](form(content)), {"content_encoding": packing, **IN_A_FORM}),
        (PACKED[packing](form(PACKED["zstd"](content))), {"content_encoding": packing, **IN_A_FORM}),
    ]
    for body, headers in ways:
        kept, intake = take(body, at_a_time=at_a_time, **headers, **{"content-digest": digest(body)})
        assert kept == content, headers
        assert (intake.digests.size, intake.digests.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_what_is_packed_three_times_is_unpacked_twice() -> None:
    thrice = gzip.compress(gzip.compress(gzip.compress(b"tide")))
    kept, _ = take(thrice, content_encoding="gzip")
    assert kept == gzip.compress(b"tide")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("a.jsonl.gz", "a.jsonl"), ("a.zst", "a.zst"), ("../b.jsonl.GZ", "b.jsonl"), (".gz", "dataset.jsonl")],
)
def test_a_name_loses_the_ending_that_is_true_no_more(sent: str, kept: str) -> None:
    assert take(gzip.compress(b"tide"), filename=sent)[1].filename == kept
    assert take(b"tide", filename=sent)[1].filename == sent.rpartition("/")[2]


@BOTH
def test_what_is_wrong_with_packed_bytes_is_named(packing: str) -> None:
    packed = PACKED[packing](os.urandom(5000))
    for headers in ({}, {"content_encoding": packing}):
        assert refusal(packed[:-1], **headers) == "packed_truncated"
        assert refusal(packed + b"more", **headers) == "packed_trailing_garbage"
        assert refusal(PACKED[packing](b""), **headers) == "empty_file"
    assert refusal(conversations(), content_encoding=packing) == "packed_corrupt"
    assert refusal(b"", content_encoding=packing) == "empty_file"
    assert refusal(packed, content_encoding=packing, **{"content-digest": digest(b"other")}) == "digest_mismatch"


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "gzip;q=1"])
def test_other_codings_are_refused_at_once(coding: str) -> None:
    assert refusal(b"", content_encoding=coding) == "content_encoding_unsupported"


@BOTH
def test_each_layer_is_held_to_the_ratio(packing: str) -> None:
    """Else what is small on the wire could keep us busy with what it only unpacks to."""
    members = PACKED[packing](b"") * 200_000
    assert refusal(PACKED[packing](members), content_encoding=packing) == "packed_in_too_many"
    beside = PACKED[packing](form(conversations(), beside=bytes(40 * MIB)))
    assert refusal(beside, content_encoding=packing, **IN_A_FORM) == "packed_too_tightly"


@BOTH
def test_what_unpacks_to_more_than_a_dataset_may_have_is_cut_off(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEPLANE_UPLOAD_BYTES_MAX", "300000")
    settings.cache_clear()
    try:
        assert len(take(PACKED[packing](bytes(300_000)))[0]) == 300_000
        assert refusal(PACKED[packing](bytes(300_001))) == "body_too_large"
        assert refusal(PACKED[packing](form(bytes(300_001))), content_encoding=packing, **IN_A_FORM) == "body_too_large"
    finally:
        monkeypatch.undo()
        settings.cache_clear()


@BOTH
def test_memory_does_not_grow_with_what_is_unpacked(packing: str) -> None:
    packed = PACKED[packing]((os.urandom(MIB // 2) + bytes(MIB // 2)) * 60)
    intake = Intake({}, filename=None, name=None, content_digest=None)
    tracemalloc.start()
    try:
        for start in range(0, len(packed), 65536):
            for piece in intake.feed(packed[start : start + 65536]):
                assert len(piece) <= MIB
        assert [*intake.finish()] == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert intake.digests.size == 60 * MIB
    assert peak < 4 * MIB


# ---------------------------------------------------------------------------------------------------- over the network
def post(team: Team, body: Any, **headers: str) -> httpx2.Response:
    kind = {"Content-Type": "application/jsonl"}
    return team.member.post("/v1/datasets?filename=train.jsonl.gz", content=body, headers=kind | headers)


def lying_about(stack: LocalStack, team: Team) -> list[Path]:
    """Everything of this team that lies in storage or is on its way in, bar what a worker may have put beside it."""
    own = str(read("team", team.id))
    return [
        file
        for file in (stack.folder / "objects").rglob("*")
        if file.is_file() and own in file.parts and "problems" not in file.parts
    ]


def assert_nothing_is_left(stack: LocalStack, team: Team) -> None:
    until(lambda: not lying_about(stack, team), what="nothing left")
    assert team.viewer.get("/v1/datasets").json()["data"] == []


@BOTH
def test_a_packed_upload_is_kept_unpacked_and_is_the_same_dataset(team: Team, stack: LocalStack, packing: str) -> None:
    content = conversations()
    packed = PACKED[packing](content)
    made = post(team, packed, **{"Content-Encoding": packing, "Content-Digest": digest(packed)})
    assert made.status_code == 202, made.text
    assert (made.json()["bytes"], made.json()["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [file.read_bytes() for file in lying_about(stack, team)] == [content]
    for again in (post(team, packed), post(team, content), team.member.post("/v1/datasets", files={"file": packed})):
        assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])


@BOTH
def test_a_bomb_leaves_nothing(team: Team, stack: LocalStack, packing: str) -> None:
    packer = zlib.compressobj(wbits=31) if packing == "gzip" else zstd.ZstdCompressor()
    zeros = bytes(MIB)
    bomb = b"".join([*(packer.compress(zeros) for _ in range(256)), packer.flush()])
    started = time.monotonic()
    refused = post(team, bomb, **{"Content-Encoding": packing})
    assert (refused.status_code, refused.json()["code"]) == (413, "packed_too_tightly")
    assert time.monotonic() - started < 5
    assert_nothing_is_left(stack, team)


@BOTH
@pytest.mark.parametrize("at", [0.3, 0.999])
def test_a_truncated_stream_leaves_nothing(team: Team, stack: LocalStack, packing: str, at: float) -> None:
    packed = PACKED[packing](os.urandom(8 * MIB))
    refused = post(team, packed[: int(len(packed) * at)], **{"Content-Encoding": packing})
    assert (refused.status_code, refused.json()["code"]) == (422, "packed_truncated")
    assert_nothing_is_left(stack, team)


def test_others_are_served_while_a_packed_file_comes_in_and_the_api_stays_small(
    own_platform: Callable[..., LocalStack],
) -> None:
    stack = own_platform()
    stack.start_api()
    team = Platform(stack).team(budget=None)
    content = os.urandom(60 * MIB).hex().encode()
    packed = zstd.compress(content)
    assert team.viewer.get("/v1/me").status_code == 200
    api = psutil.Process(stack.processes.pid("api"))
    before, slowest, largest = api.memory_info().rss, 0.0, 0
    with ThreadPoolExecutor(1) as other:
        sent = other.submit(post, team, chunked(packed))
        for _ in itertools.count():
            started = time.monotonic()
            assert team.viewer.get("/v1/me").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            largest = max(largest, api.memory_info().rss)
            if sent.done():
                break
    assert sent.result().status_code == 202, sent.result().text
    assert sent.result().json()["sha256"] == hashlib.sha256(content).hexdigest()
    print(f"API {before / MIB:.0f} MiB before, {largest / MIB:.0f} MiB at most; slowest other answer {slowest:.3f} s")
    assert largest < 150 * MIB
    assert slowest < 1


def chunked(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]
