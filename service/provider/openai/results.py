"""What came out of a job: its checkpoints and its table of steps."""

import base64
import binascii
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Final

import httpx2

from service.kit import clock
from service.provider.errors import Unknown, Unusable
from service.provider.openai.client import client, translated
from service.provider.openai.told import instant, storable, text
from service.provider.shapes import Credentials, RemoteCheckpoint

_PAGE: Final = 100
_CHECKPOINTS_MAX: Final = 1000  # providers keep three (openai.md §1.6)
_STEP_MAX: Final = 2**31 - 1
_MODEL_LENGTH_MAX: Final = 256
_HEADER_BYTES_MAX: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"


def list_checkpoints(credentials: Credentials, job_id: str) -> list[RemoteCheckpoint]:
    """The job's checkpoints as it has them now, by step; one that names no step or model is left out."""
    with translated(credentials):
        told = client(credentials).fine_tuning.jobs.checkpoints.list(job_id, limit=_PAGE)
        found = {one.step_number: _checkpoint(one) for one in islice(told, _CHECKPOINTS_MAX) if _is_usable(one)}
    return [found[step] for step in sorted(found)]


def read_results(
    credentials: Credentials, file_id: str, *, into: IO[bytes], bytes_max: int, seconds_max: float
) -> None:
    """Write the table of a result file, decoded, in constant memory.

    OpenAI gives it in base64 and Azure plain (openai.md §6): what does not begin like a table is decoded. Raises
    Unusable for what is too large or no table either way, and Unknown when it takes longer than `seconds_max`.
    """
    until, size = clock.monotonic() + seconds_max, 0
    with translated(credentials):
        try:
            with client(credentials).files.with_streaming_response.content(file_id) as answer:
                for chunk in _table(answer.iter_bytes()):
                    size += len(chunk)
                    if size > bytes_max:
                        raise Unusable(f"the result file is larger than {bytes_max} bytes")
                    if clock.monotonic() > until:
                        raise Unknown(f"the result file did not come within {seconds_max} s")
                    into.write(chunk)
        except httpx2.HTTPError as broken:  # in the middle of the body, where the SDK translates nothing
            raise Unknown(str(broken)) from None


def is_header(line: bytes) -> bool:
    """Whether a file's first line is a table's header and not base64, which has no commas."""
    names = line.removeprefix(_BOM).decode("utf-8", "replace").strip().lower().split(",")
    return len(names) > 1 and "step" in [name.strip().strip('"') for name in names]


def _table(chunks: Iterator[bytes]) -> Iterator[bytes]:
    begin = _beginning(chunks)
    if is_header(begin.split(b"\n", 1)[0]):
        yield begin
        yield from chunks
        return
    decoded = _decoded(begin, chunks)
    begin = _beginning(decoded)
    if not is_header(begin.split(b"\n", 1)[0]):
        raise Unusable("the result file is not a table of steps")
    yield begin
    yield from decoded


def _beginning(chunks: Iterator[bytes]) -> bytes:
    """The first line at least, as far as a header may reach."""
    begin = b""
    while b"\n" not in begin and len(begin) < _HEADER_BYTES_MAX:
        chunk = next(chunks, None)
        if chunk is None:
            break
        begin += chunk
    return begin


def _decoded(begin: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    left = begin
    try:
        for chunk in chunks:
            left = b"".join((left + chunk).split())
            whole = len(left) // 4 * 4
            yield base64.b64decode(left[:whole], validate=True)
            left = left[whole:]
        yield base64.b64decode(b"".join(left.split()), validate=True)
    except binascii.Error:
        raise Unusable("the result file is neither a table nor base64") from None


def _is_usable(told: Any) -> bool:
    step, model = told.step_number, told.fine_tuned_model_checkpoint
    is_step = isinstance(step, int) and 0 <= step <= _STEP_MAX
    return is_step and isinstance(model, str) and 0 < len(model) <= _MODEL_LENGTH_MAX


def _checkpoint(told: Any) -> RemoteCheckpoint:
    return RemoteCheckpoint(
        id=text(told.id),
        step=told.step_number,
        model=storable(told.fine_tuned_model_checkpoint),
        metrics=storable(told.metrics.model_dump(exclude_none=True)) if told.metrics else {},
        created_at=instant(told.created_at),
    )
