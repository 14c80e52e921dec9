"""What really happened, for those who check a client of this emulator: every request that had an effect."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request


class Log:
    """Effects in order; with a path, each is also appended there as a line of JSON (not synced to disk)."""

    def __init__(self, path: Path | None) -> None:
        self.effects: list[dict[str, Any]] = []
        self._file = path.open("a", encoding="utf-8", buffering=1) if path else None

    def effect(self, request: Request, what: str, at: float, **facts: Any) -> None:
        """Note an effect of `request` at virtual time `at`; `fault` is the id of the fault its answer meets, if any."""
        entry = {
            "effect": what,
            "at": at,
            "real_at": time.time(),
            "project": request.state.project,
            "method": request.method,
            "path": request.url.path,
            "request_id": request.state.request_id,
            "retry_count": request.headers.get("x-stainless-retry-count"),
            "fault": getattr(request.state, "fault", None),
            **facts,
        }
        self.effects.append(entry)
        if self._file:
            self._file.write(json.dumps(entry) + "\n")
