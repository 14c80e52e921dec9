"""Training files at a provider."""

from pathlib import Path
from typing import IO, Any

from service.provider.openai.client import client, translated
from service.provider.openai.told import instant
from service.provider.shapes import Credentials, RemoteFile


def find_files(credentials: Credentials, *, filename: str, size: int) -> list[RemoteFile]:
    """Training files of exactly this name and size, oldest first. Our names carry the content's hash."""
    with translated(credentials):
        page = client(credentials).files.list(purpose="fine-tune", limit=10_000)
        found = [_file(one) for one in page if one.filename == filename and one.bytes == size]
    return sorted(found, key=lambda one: (one.created_at, one.id))


def create_file(credentials: Credentials, *, filename: str, content: IO[bytes] | Path) -> RemoteFile:
    """Upload a training file."""
    with translated(credentials):
        if isinstance(content, Path):
            with content.open("rb") as opened:
                return _file(client(credentials).files.create(file=(filename, opened), purpose="fine-tune"))
        return _file(client(credentials).files.create(file=(filename, content), purpose="fine-tune"))


def _file(told: Any) -> RemoteFile:
    return RemoteFile(id=told.id, filename=told.filename, bytes=told.bytes, created_at=instant(told.created_at))
