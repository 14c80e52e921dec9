"""All problems of a file, beyond the few that its report shows, as JSON lines in storage."""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Self

from msgspec import json

from service.datasets.rules.problems import Problem
from service.kit import storage

_IN_MEMORY_BYTES: Final = 1024 * 1024


class ProblemFile:
    """Problems as they are found, in memory or in a file without a name: nothing is left of it by a worker killed."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self.is_empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, problem: Problem) -> None:
        """One more."""
        self.is_empty = False
        self._file.write(json.encode(problem) + b"\n")

    def keep(self, key: str) -> None:
        """Store them, if there are any."""
        if not self.is_empty:
            self._file.seek(0)
            storage.make(key, self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._file.read(storage.CHUNK_BYTES):
            yield chunk
