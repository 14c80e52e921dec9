"""What the script has in store for jobs: blocked content, jobs that hang or fail, models that are unsafe (§7)."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from emulator import ids
from emulator.errors import invalid
from emulator.files import StoredFile
from emulator.scripts import Types, checked
from emulator.studies import Failure

KINDS = ("blocked", "stuck", "fails", "unsafe")
STUCK_IN = ("validating_files", "queued", "running")
TYPES: Types = {
    "kind": str,
    "model": str,
    "suffix": str,
    "metadata": dict,
    "sha256": str,
    "contains": str,
    "times": int,
    "probability": (int, float),
    "status": str,
    "seconds": (int, float),
    "progress": (int, float),
    "code": str,
    "message": str,
    "categories": list,
    "ends": str,
}
# Quoted from threads (§3.9); the categories are those of the moderation endpoint.
BLOCKED = (
    "The job failed due to an invalid {which} file. This {which} file was blocked because too many examples were "
    "flagged by our moderation API for containing content that violates OpenAI's usage policies in the following "
    "categories: {categories}."
)
UNSAFE = "The fine-tuned model was blocked from deployment: it did not pass our safety checks in {categories}."


@dataclass(eq=False)
class Fate:
    """What happens to `times` jobs (None: all) that match, each with `probability`.

    They match by base model, suffix, `metadata` pairs, a file's `sha256` and a text it `contains`; all that are given.

    blocked: the job fails at its validation. stuck: it stays in `status` `seconds` longer (None: until released).
    fails: it ends with `code` when the share `progress` of its training is done. unsafe: the finished model is blocked
    and the job `ends` failed or succeeded all the same; which of the two OpenAI does is not established (§3.6).
    """

    kind: str
    id: str = field(default_factory=lambda: ids.fresh("fate_", 12))
    model: str | None = None
    suffix: str | None = None
    metadata: dict[str, str] | None = None
    sha256: str | None = None
    contains: str | None = None
    times: int | None = 1
    probability: float = 1.0
    status: str = "queued"
    seconds: float | None = None
    progress: float = 0.5
    code: str = "server_error"
    message: str = "The job failed due to an internal error"
    categories: list[str] = field(default_factory=lambda: ["hate"])
    ends: str = "failed"
    hits: int = field(default=0, init=False)

    @classmethod
    def parse(cls, script: dict[str, Any]) -> Fate:
        """A fate from the control API's JSON; raises a 400 that says what is wrong with it."""
        fate = cls(**checked(script, cls, TYPES))
        choices = {"kind": KINDS, "status": STUCK_IN, "ends": ("failed", "succeeded")}
        for name, choice in choices.items():
            if getattr(fate, name) not in choice:
                raise invalid(f"'{name}' must be one of {', '.join(choice)}.", param=name)
        for name in ("probability", "progress"):
            if getattr(fate, name) > 1:
                raise invalid(f"'{name}' must be from 0 to 1.", param=name)
        if not fate.categories or not all(isinstance(one, str) for one in fate.categories):
            raise invalid("'categories' must be a list of names.", param="categories")
        return fate

    def meets(
        self,
        model: str,
        suffix: str | None,
        metadata: dict[str, str] | None,
        files: list[StoredFile],
        dice: random.Random,
    ) -> bool:
        """Whether this fate meets a job that is being made."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.model not in (None, model) or self.suffix not in (None, suffix):
            return False
        if self.metadata is not None and not self.metadata.items() <= (metadata or {}).items():
            return False
        return any(map(self.concerns, files)) and dice.random() < self.probability

    def concerns(self, file: StoredFile) -> bool:
        """Whether the file has the content this fate is about; any has when it is about none."""
        if self.sha256 not in (None, file.content.sha256):
            return False
        return self.contains is None or self.contains.encode() in file.content.data

    def blocks(self, training: StoredFile) -> Failure | None:
        """What the moderation says of the files of a job that has met this fate, if anything."""
        if self.kind != "blocked":
            return None
        which = "training" if self.concerns(training) else "validation"
        message = BLOCKED.format(which=which, categories=", ".join(self.categories))
        return Failure(f"invalid_{which}_file", message, f"{which}_file")

    @property
    def unsafe(self) -> bool:
        """Whether the finished model does not pass the safety checks."""
        return self.kind == "unsafe"

    @property
    def breakdown(self) -> Failure | None:
        """Why the job fails in the middle or at the end of its training, if it does."""
        if self.kind == "fails":
            return Failure(self.code, self.message, None)
        if self.unsafe and self.ends == "failed":
            return Failure("unsafe_model", UNSAFE.format(categories=", ".join(self.categories)), None)
        return None

    @property
    def share_done(self) -> float:
        """How much of its training the job will have done at its end."""
        return self.progress if self.kind == "fails" else 1.0

    @property
    def stuck_seconds(self) -> float:
        """How much longer the job stays in `status`; math.inf until released."""
        if self.kind != "stuck":
            return 0.0
        return math.inf if self.seconds is None else self.seconds

    def view(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


UNTOUCHED = Fate("none", id="")  # of most jobs
