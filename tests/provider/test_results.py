"""Result files as providers give them, base64 or plain, and checkpoints that make sense or do not."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest

from service.provider.errors import NotThere, Unknown, Unusable
from service.provider.openai import gateway
from service.provider.openai.results import is_header
from tests.provider.answering import Answering, refusal

pytestmark = pytest.mark.usefixtures("database")  # where circuits are noted

TABLE = b"step,train_loss,train_accuracy\n" + b"".join(b"%d,1.5,0.5\n" % step for step in range(1, 20_000))


@pytest.fixture
def provider() -> Iterator[Answering]:
    with Answering() as provider:
        yield provider


def read(provider: Answering, body: bytes, *, bytes_max: int = 2**20, seconds_max: float = 10) -> bytes:
    provider.answer = 200, {"Content-Type": "application/octet-stream"}, body
    into = io.BytesIO()
    gateway.read_results(provider.account(), "file-1", into=into, bytes_max=bytes_max, seconds_max=seconds_max)
    return into.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(TABLE, id="plain"),
        pytest.param(base64.b64encode(TABLE), id="base64"),
        pytest.param(base64.encodebytes(TABLE), id="base64 in lines"),
        pytest.param(base64.encodebytes(TABLE).replace(b"\n", b"\r\n"), id="base64 in lines of mail"),
    ],
)
def test_a_table_is_the_same_however_it_is_wrapped(provider: Answering, body: bytes) -> None:
    assert read(provider, body) == TABLE


@pytest.mark.parametrize(
    "body", [b"", b"step", b"<html>no</html>", b'{"error": 1}', base64.b64encode(b"a,b\n1,2\n"), b"c3Rl*", b"\xff\xfe"]
)
def test_what_is_no_table_either_way_is_refused(provider: Answering, body: bytes) -> None:
    with pytest.raises(Unusable):
        read(provider, body)


def test_a_table_may_be_so_large_and_take_so_long(provider: Answering) -> None:
    assert read(provider, TABLE, bytes_max=len(TABLE)) == TABLE
    with pytest.raises(Unusable):
        read(provider, TABLE, bytes_max=len(TABLE) - 1)
    with pytest.raises(Unknown):
        read(provider, TABLE, seconds_max=0)


def test_a_file_that_is_not_there_is_told_as_such(provider: Answering) -> None:
    provider.answer = 404, {}, refusal("No such File object: file-1")
    with pytest.raises(NotThere):
        gateway.read_results(provider.account(), "file-1", into=io.BytesIO(), bytes_max=1, seconds_max=1)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"step,train_loss", True),
        (b"\xef\xbb\xbfStep, train_loss\r", True),
        (b'"step","train_loss"', True),
        (b"train_loss,step", True),
        (b"step", False),
        (b"c3RlcCx0cmFpbl9sb3Nz", False),
        (b"", False),
    ],
)
def test_what_looks_like_a_header(line: bytes, header: bool) -> None:
    assert is_header(line) is header


def a_checkpoint(**facts: Any) -> dict[str, Any]:
    return {
        "id": "ftckpt_1",
        "object": "fine_tuning.job.checkpoint",
        "created_at": 1,
        "fine_tuned_model_checkpoint": "ft:m:o::1:ckpt-step-5",
        "fine_tuning_job_id": "ftjob-1",
        "step_number": 5,
        "metrics": {"step": 5, "train_loss": 1.5},
        **facts,
    }


def test_checkpoints_come_by_step_and_those_that_make_no_sense_not_at_all(provider: Answering) -> None:
    told = [
        a_checkpoint(step_number=9, fine_tuned_model_checkpoint="ft:m:o::1"),
        a_checkpoint(metrics={"train_loss": float("nan"), "note": "a\0"}),
        a_checkpoint(step_number=-1),
        a_checkpoint(step_number=None),
        a_checkpoint(step_number=7, fine_tuned_model_checkpoint="x" * 300),
        a_checkpoint(step_number=8, fine_tuned_model_checkpoint=None),
    ]
    provider.answer = 200, {}, {"object": "list", "data": told, "has_more": False}
    found = gateway.list_checkpoints(provider.account(), "ftjob-1")
    assert [(one.step, one.model) for one in found] == [(5, "ft:m:o::1:ckpt-step-5"), (9, "ft:m:o::1")]
    assert found[0].metrics.get("train_loss") is None
    assert found[0].metrics["note"] == "a\ufffd"
