"""What an emulator is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_KEY = "sk-emulator"
DEFAULT_PROJECT = "proj_default"
DEFAULT_ORG = "acme"
DEFAULT_SPEED = 60.0


@dataclass(frozen=True)
class Config:
    """How one emulator differs from another; everything here is fixed for the life of the process.

    `speed` is virtual seconds per real second (0 freezes the clock: it then moves by the control API only).
    `start` is the virtual unix time it begins at, the real one where None.
    `patience_seconds` (real) is how long a read waits for a file still being studied before it says "validating_files".
    """

    org: str = DEFAULT_ORG
    speed: float = DEFAULT_SPEED
    start: float | None = None
    keys: dict[str, str] = field(default_factory=dict)
    log: Path | None = None
    patience_seconds: float = 2.0

    @property
    def projects_by_key(self) -> dict[str, str]:
        return {DEFAULT_KEY: DEFAULT_PROJECT, **self.keys}
