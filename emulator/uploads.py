"""Uploads: a big file in parts of up to 64 MB, whole within an hour (§1.5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import ApiError, invalid

PART_BYTES_MAX = 64 * 1024 * 1024
BYTES_MAX = 8 * 1024 * 1024 * 1024
LIFE_SECONDS = 3600.0
PURPOSES = ("assistants", "batch", "fine-tune", "vision")


@dataclass
class Upload:
    """One upload of `size` bytes and the parts it has so far, by id. `ended` is "completed" or "cancelled"."""

    id: str
    project: str
    filename: str
    purpose: str
    size: int
    created_at: float
    file_lifetime: int | None
    parts: dict[str, bytes] = field(default_factory=dict)
    ended: str | None = None

    @property
    def expires_at(self) -> float:
        return self.created_at + LIFE_SECONDS

    def status(self, now: float) -> str:
        return self.ended or ("pending" if now < self.expires_at else "expired")

    def check_pending(self, now: float) -> None:
        """Raises a 400 unless parts may still be added."""
        if (status := self.status(now)) != "pending":
            raise invalid(f"Upload {self.id} is {status}.", param="upload_id")

    def assembled(self, part_ids: Any, md5: Any) -> bytes:
        """The parts in the order named; raises a 400 unless they are the bytes declared (and have the MD5 given)."""
        if not isinstance(part_ids, list) or not part_ids:
            raise invalid("'part_ids' must be a non-empty list.", param="part_ids")
        unknown = [one for one in part_ids if not isinstance(one, str) or one not in self.parts]
        if unknown:
            raise invalid(f"Upload {self.id} has no part {unknown[0]}.", param="part_ids")
        if len(set(part_ids)) < len(part_ids):
            raise invalid("'part_ids' names a part twice.", param="part_ids")
        total = sum(len(self.parts[one]) for one in part_ids)
        if total != self.size:
            raise invalid(f"The parts have {total} bytes, but the upload was declared with {self.size}.", param="bytes")
        data = b"".join(self.parts[one] for one in part_ids)
        if md5 is not None and md5 != hashlib.md5(data, usedforsecurity=False).hexdigest():
            raise invalid("The MD5 of the parts is another one.", param="md5")
        return data

    def end(self, how: str) -> None:
        """Completed or cancelled: the parts are let go."""
        self.ended = how
        self.parts.clear()

    def view(self, now: float, file: dict[str, Any] | None = None) -> dict[str, Any]:
        """The Upload object, with the file it has become when that was just made."""
        shown = {
            "object": "upload",
            "id": self.id,
            "bytes": self.size,
            "created_at": int(self.created_at),
            "expires_at": int(self.expires_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": self.status(now),
        }
        return {**shown, "file": file} if file else shown


def check_request(body: dict[str, Any]) -> None:
    """Raises a 400 for the first field of POST /uploads that is wrong."""
    for name in ("filename", "mime_type"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise _missing(name)
    size = body.get("bytes")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= BYTES_MAX:
        raise invalid(f"'bytes' must be an integer from 1 to {BYTES_MAX}.", param="bytes")
    if body.get("purpose") not in PURPOSES:
        raise invalid(f"'{body.get('purpose')}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    if body["purpose"] == "fine-tune" and body["mime_type"] != "text/jsonl":
        raise invalid("The MIME type of purpose 'fine-tune' is text/jsonl.", param="mime_type")


def _missing(name: str) -> ApiError:
    return invalid(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
