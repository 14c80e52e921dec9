"""Files: what was uploaded, and what jobs left behind (§1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulator.lessons import Content

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
RESULTS = "fine-tune-results"
BYTES_MAX = 512 * 1024 * 1024
PROCESSING_SECONDS = 2.0


@dataclass(frozen=True)
class StoredFile:
    """One file. Times are virtual, but `born` is on the real monotonic clock."""

    id: str
    project: str
    filename: str
    purpose: str
    content: Content
    created_at: float
    born: float
    expires_at: float | None = None
    processing_seconds: float = PROCESSING_SECONDS

    def view(self, now: float) -> dict[str, Any]:
        """The File object; "processed" once its processing time has passed."""
        processed = now >= self.created_at + self.processing_seconds
        shown = {
            "object": "file",
            "id": self.id,
            "purpose": self.purpose,
            "filename": self.filename,
            "bytes": len(self.content.data),
            "created_at": int(self.created_at),
            "status": "processed" if processed else "uploaded",
        }
        return shown if self.expires_at is None else {**shown, "expires_at": int(self.expires_at)}
