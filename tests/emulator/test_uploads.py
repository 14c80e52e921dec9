"""Files in parts: the sum of bytes, the order, the end of an upload."""

import hashlib
from typing import Any

import openai
import pytest

from tests.emulator.world import Emulator, Project, planets


def begin(project: Project, size: int, **options: Any) -> str:
    return project.openai.uploads.create(
        **{"bytes": size, "filename": "big.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune", **options}
    ).id


def add(project: Project, upload: str, data: bytes) -> str:
    return project.openai.uploads.parts.create(upload, data=data).id


def test_the_sdk_uploads_a_file_in_chunks_and_it_can_be_trained_on(project: Project) -> None:
    data = planets(200)
    upload = project.openai.uploads.upload_file_chunked(
        file=data, filename="big.jsonl", bytes=len(data), mime_type="text/jsonl", purpose="fine-tune", part_size=4_000
    )
    assert (upload.status, upload.file and upload.file.status) == ("completed", "processed")
    assert upload.file
    assert project.openai.files.content(upload.file.id).read() == data
    assert project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=upload.file.id).id
    assert project.effects().count("upload.part_added") == -(-len(data) // 4_000)


def test_the_order_is_that_of_completing(project: Project) -> None:
    upload = begin(project, 6)
    second, first = add(project, upload, b"def"), add(project, upload, b"abc")
    whole = project.openai.uploads.complete(
        upload, part_ids=[first, second], md5=hashlib.md5(b"abcdef", usedforsecurity=False).hexdigest()
    )
    assert whole.file
    assert project.openai.files.content(whole.file.id).read() == b"abcdef"


@pytest.mark.parametrize(
    ("parts", "named", "md5", "param"),
    [
        ([b"abc"], [0], None, "bytes"),
        ([b"abc", b"defg"], [0, 1], None, "bytes"),
        ([b"abc", b"def"], [0, 0], None, "part_ids"),
        ([b"abc", b"def"], [], None, "part_ids"),
        ([b"abc", b"def"], [0, 1], "0" * 32, "md5"),
    ],
)
def test_what_is_not_whole_is_no_file(
    project: Project, parts: list[bytes], named: list[int], md5: str | None, param: str
) -> None:
    upload = begin(project, 6)
    added = [add(project, upload, part) for part in parts]
    with pytest.raises(openai.BadRequestError) as refused:
        project.openai.uploads.complete(upload, part_ids=[added[index] for index in named], md5=md5 or openai.omit)
    assert refused.value.param == param
    assert "file.created" not in project.effects()
    rest = add(project, upload, b"ghi")  # it is still pending
    assert project.openai.uploads.complete(upload, part_ids=[added[0], rest]).status == "completed"


@pytest.mark.parametrize("end", ["complete", "cancel", "expire"])
def test_after_its_end_an_upload_takes_nothing(world: Emulator, project: Project, end: str) -> None:
    upload = begin(project, 3)
    part = add(project, upload, b"abc")
    if end == "complete":
        project.openai.uploads.complete(upload, part_ids=[part])
    elif end == "cancel":
        assert project.openai.uploads.cancel(upload).status == "cancelled"
    else:
        world.advance(3_600)
    for attempt in (
        lambda: add(project, upload, b"abc"),
        lambda: project.openai.uploads.complete(upload, part_ids=[part]),
        lambda: project.openai.uploads.cancel(upload),
    ):
        with pytest.raises(openai.BadRequestError):
            attempt()


def test_a_part_has_at_most_64_megabytes(project: Project) -> None:
    upload = begin(project, 64 * 1024 * 1024 + 1)
    assert add(project, upload, bytes(64 * 1024 * 1024))
    with pytest.raises(openai.BadRequestError):
        add(project, upload, bytes(64 * 1024 * 1024 + 1))


def test_uploads_belong_to_a_project(project: Project, other_project: Project) -> None:
    upload = begin(project, 3)
    with pytest.raises(openai.NotFoundError):
        add(other_project, upload, b"abc")


@pytest.mark.parametrize(
    "wrong",
    [{"bytes": 0}, {"bytes": 9 * 1024**3}, {"purpose": "evals"}, {"mime_type": "text/csv"}, {"filename": ""}],
    ids=str,
)
def test_a_wrong_upload_is_refused_by_name(project: Project, wrong: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        begin(project, 3, **wrong) if "bytes" not in wrong else begin(project, wrong["bytes"])
    assert refused.value.param == next(iter(wrong))


def test_the_file_may_expire(world: Emulator, project: Project) -> None:
    upload = begin(project, 3, expires_after={"anchor": "created_at", "seconds": 7_200})
    file = project.openai.uploads.complete(upload, part_ids=[add(project, upload, b"abc")]).file
    assert file
    assert file.expires_at == file.created_at + 7_200
    world.advance(7_201)
    with pytest.raises(openai.NotFoundError):
        project.openai.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError):
        begin(project, 3, expires_after={"anchor": "created_at", "seconds": 60})
