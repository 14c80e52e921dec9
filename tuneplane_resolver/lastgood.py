"""The last good answers in a folder, shared by all processes of a machine and kept over their restarts.

One file an answer: a checksum, then JSON. It is replaced as a whole, so reading takes no lock and never sees half of
one; writers of one file take turns, so that an older answer never replaces a newer. A file that is damaged, or cannot
be read or written, is as good as none: no disk ever keeps a question from being answered.
"""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tuneplane_resolver.answers import Answer, Freshness, Question

if sys.platform != "win32":
    import fcntl

log: Final = logging.getLogger("tuneplane_resolver")


class LastGood:
    """The files of one server's answers to one key: with another key one may see another team's models."""

    def __init__(self, folder: str | os.PathLike[str], *, server: str, api_key: str) -> None:
        self._folder = Path(folder)
        self._whose = hashlib.sha256(f"{server}\n{api_key}".encode()).hexdigest()

    def read(self, question: Question) -> Answer | None:
        """The newest answer any process has had, if there is one that is whole."""
        try:
            checksum, _, content = self._path(question).read_text().partition("\n")
            if checksum != hashlib.sha256(content.encode()).hexdigest():
                return None
            kept = json.loads(content)
            return Answer.read(
                kept["body"],
                etag=kept["etag"],
                current_at=float(kept["current_at"]),
                freshness=Freshness(**kept["freshness"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, question: Question, answer: Answer, *, now: float) -> None:
        """Keep `answer`, unless a newer one is there."""
        kept = {
            "question": question._asdict(),  # for whoever looks into the folder
            "body": answer.body,
            "etag": answer.etag,
            "current_at": answer.current_at,
            "freshness": asdict(answer.freshness),
        }
        content = json.dumps(kept)
        try:
            with self._alone(question):
                before = self.read(question)
                if before is None or before.rank(now) <= answer.rank(now):
                    self._replace(self._path(question), f"{hashlib.sha256(content.encode()).hexdigest()}\n{content}")
        except OSError as error:
            log.warning("the last good answer could not be kept: %s", error)

    def forget(self, question: Question) -> None:
        """There is no good answer any more."""
        with suppress(OSError):
            self._path(question).unlink(missing_ok=True)

    def _path(self, question: Question) -> Path:
        named = hashlib.sha256(f"{self._whose}\n{question.name}\n{question.alias}".encode()).hexdigest()
        return self._folder / f"{named[:40]}.json"

    def _replace(self, path: Path, text: str) -> None:
        # Not synced to the disk: what a power cut leaves of it fails its checksum, and that is as good as none.
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".new")  # readable by its owner only
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextmanager
    def _alone(self, question: Question) -> Iterator[None]:
        """One writer of a file at a time; on Windows the last one wins."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform == "win32":
            yield
            return
        with self._path(question).with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
