"""Training files at a provider: found by name, uploaded whole or in parts, deleted."""

from collections.abc import Callable
from typing import IO, Any, Final

from service.provider.errors import NotThere
from service.provider.openai.client import client, translated
from service.provider.openai.told import instant
from service.provider.shapes import Credentials, RemoteFile

PART_BYTES: Final = 64 * 1024**2  # the most one part may have; a file goes in one piece up to that (openai.md §1.5)


def list_files(credentials: Credentials) -> list[RemoteFile]:
    """Every training file of the account, oldest first."""
    with translated(credentials):
        found = [_file(one) for one in client(credentials).files.list(purpose="fine-tune", limit=10_000)]
    return sorted(found, key=lambda one: (one.created_at, one.id))


def find_files(credentials: Credentials, *, filename: str, size: int) -> list[RemoteFile]:
    """Training files of exactly this name and size, oldest first. Our names carry the content's hash."""
    return [one for one in list_files(credentials) if one.filename == filename and one.bytes == size]


def has_file(credentials: Credentials, file_id: str) -> bool:
    """Whether the file is still there: accounts are tidied up by people too."""
    try:
        with translated(credentials):
            client(credentials).files.retrieve(file_id)
    except NotThere:
        return False
    return True


def create_file(
    credentials: Credentials,
    *,
    filename: str,
    content: IO[bytes],
    size: int,
    alive: Callable[[], None],
    part_bytes: int = PART_BYTES,
) -> RemoteFile:
    """Upload a training file of `size` bytes, in parts where it is large; `alive` is called after each part.

    An upload in parts that breaks off expires by itself after an hour and never becomes a file.
    """
    with translated(credentials, "create"):
        if size <= part_bytes:
            return _file(client(credentials).files.create(file=(filename, content), purpose="fine-tune"))
        uploads = client(credentials).uploads
        upload = uploads.create(bytes=size, filename=filename, mime_type="text/jsonl", purpose="fine-tune")
        parts = []
        while part := content.read(part_bytes):
            parts.append(uploads.parts.create(upload.id, data=part).id)
            alive()
        made = uploads.complete(upload.id, part_ids=parts)
        return _file(made.file)


def delete_file(credentials: Credentials, file_id: str) -> None:
    """Remove the file; one that is gone is fine."""
    try:
        with translated(credentials):
            client(credentials).files.delete(file_id)
    except NotThere:
        return


def _file(told: Any) -> RemoteFile:
    return RemoteFile(id=told.id, filename=told.filename, bytes=told.bytes, created_at=instant(told.created_at))
