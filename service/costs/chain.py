"""The chain of hashes over a closed month's entries. Pure: whoever has the entries can recompute it without us.

An entry's canonical form is a JSON array (UTF-8; a comma and a space between values) of the columns below in that
order: whole numbers, true and false as they are, amounts as text with ten places, instants as text in UTC to the
microsecond (`2026-11-20T12:00:00.000000Z`), days as YYYY-MM-DD, ids as UUIDs, absent values null. Its digest is the
SHA-256 of that; a link is the SHA-256 of the link before and the digest; the head is the SHA-256 of the last link and a
JSON array of month, number of entries, total and currency. Entries are chained in the order (posted_on, seq), and a
month's first link is the head of the closed month before, or 32 zero bytes. A change here is a chain of another kind.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from service.kit import money

GENESIS: Final = bytes(32)
LEAF_BYTES: Final = 32
_HALF: Final = LEAF_BYTES // 2
COLUMNS: Final = (
    "id", "seq", "team_id", "job_id", "kind", "meter", "debit_account", "credit_account", "amount", "currency",
    "charged_at", "posted_on", "recorded_at", "budget_month", "ext_ref", "price_id", "unit_price", "list_unit_price",
    "unit_quantity", "quantity", "estimated", "accrued", "provider", "connection_id", "provider_job_id", "base_model",
    "model", "version_id", "description", "corrects", "reason", "booked_by", "team_slug", "team_name", "cost_center",
    "product", "environment",
)  # fmt: skip


class Link(NamedTuple):
    """Of an entry what the chain is made of."""

    id: UUID
    seq: int
    posted_on: date
    amount: Decimal
    digest: bytes


@dataclass
class Chain:
    """A chain as it grows, and what it counted."""

    head: bytes
    entries: int = 0
    total: Decimal = money.ZERO
    through_seq: int = 0

    def add(self, entry: Link) -> bytes:
        """Link the next entry; what is kept of it is its leaf."""
        self.head = hashlib.sha256(self.head + entry.digest).digest()
        self.entries += 1
        self.total += entry.amount
        self.through_seq = max(self.through_seq, entry.seq)
        return entry.id.bytes + entry.digest[:_HALF]

    def sealed(self, month: date) -> bytes:
        """The head of the month: it binds the number of entries and their total as well."""
        facts = [month.isoformat(), self.entries, f"{money.amount(self.total):f}", money.CURRENCY]
        return hashlib.sha256(self.head + json.dumps(facts).encode()).digest()


def unpack(leaves: bytes) -> Iterable[tuple[UUID, bytes]]:
    """Leaves of a day: for each entry its id and half of its digest."""
    for at in range(0, len(leaves), LEAF_BYTES):
        yield UUID(bytes=leaves[at : at + _HALF]), leaves[at + _HALF : at + LEAF_BYTES]
