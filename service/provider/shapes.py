"""The provider's objects as the rest of the service sees them: plain values, nothing of the SDK."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

TERMINAL_STATUSES: Final = frozenset({"succeeded", "failed", "cancelled"})
_FINGERPRINT_LENGTH_MAX: Final = 512  # an index holds at most 2,704 bytes, and a character may have four
SUBMISSION_KEY: Final = "tuneplane_submission"  # the one entry of a job's metadata that is ours


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach one provider account, and how it may be used. `repr` never shows the key."""

    kind: str
    base_url: str
    api_key: str = field(repr=False)
    organisation: str | None = None
    project: str | None = None
    account: UUID = field(kw_only=True)  # names its circuits
    requests_per_minute: int | None = None
    paused: str | None = field(default=None, compare=False)  # an operator's reason why nothing new goes there


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at the provider."""

    id: str
    filename: str
    bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Everything needed to create one job at the provider; `key` is ours and names the job for good."""

    key: str
    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    method: str = "supervised"
    hyperparameters: Mapping[str, int | Decimal | str] = field(default_factory=dict)  # the provider chooses the others
    beside: Mapping[str, Any] = field(default_factory=dict)  # what else the method takes: grader, response_format
    metadata: Mapping[str, str] = field(default_factory=dict)
    integrations: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A fine-tuning job as the provider tells it. `status` is kept verbatim; an unknown one is not terminal."""

    id: str
    status: str
    model: str
    created_at: datetime
    training_file: str
    seed: int | None
    key: str | None
    fine_tuned_model: str | None
    trained_tokens: int | None
    epochs: int | None
    finished_at: datetime | None
    estimated_finish: datetime | None
    error_code: str | None
    error_message: str | None
    result_files: tuple[str, ...]
    error_param: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the provider will not change it any more."""
        return self.status in TERMINAL_STATUSES


@dataclass(frozen=True, slots=True)
class RemoteCheckpoint:
    """A model as it was after one step of a job."""

    id: str
    step: int
    model: str
    metrics: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """One event of a job. Ids may differ between two calls (seen at Azure), so `fingerprint` tells events apart."""

    id: str
    created_at: datetime
    level: str
    type: str
    message: str
    data: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Equal for the same event in whatever call: time, text and step (openai-python#938); long ones by their hash.

        Words have no end: moderation names every line it flags (openai.md §3.9).
        """
        told = f"{int(self.created_at.timestamp())}|{self.message}|{self.data.get('step', '')}"
        return told if len(told) <= _FINGERPRINT_LENGTH_MAX else hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RemoteUsage:
    """What one key had of one model on one day (UTC), in tokens. `cached_input_tokens` are among `input_tokens`."""

    day: date
    project: str | None
    api_key: str | None
    model: str
    tier: str  # standard, batch, or the provider's own word for another
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    requests: int


@dataclass(frozen=True, slots=True)
class RemoteCost:
    """A line of the provider's bill of one day (UTC). `amount` is its own decimal text, to the digit."""

    day: date
    project: str | None
    api_key: str | None
    line_item: str  # empty: the provider names none
    amount: Decimal
    currency: str  # ISO 4217, in capitals
    quantity: Decimal | None
    quantity_unit: str | None


class Answer(StrEnum):
    """Whether a fine-tuned model answers."""

    READY = "ready"
    NOT_YET = "not_yet"  # 429, or no answer that says anything
    GONE = "gone"  # 404: for some minutes after success, or for good
    REFUSED = "refused"  # the account may not use it
    LOCKED_OUT = "locked_out"  # the account itself is refused, which says nothing of the model
