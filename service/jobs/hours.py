"""How long a job has trained, told from the provider's events: reinforcement is paid by it. Pure.

Paid is wall-clock time in the training loop, of progress that was captured (help article 11323177): not queueing,
validating, evaluating the finished model, nor standing still. No call tells it, so the instants of the events do, all
on the provider's clock and to the second. What comes of it is our reckoning, accrued until it is reconciled.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

HOURS: Final = "training_hours"
PAID_BY_HOUR: Final = frozenset({"reinforcement"})
"""Methods that are; the others are paid by the token."""

_BEGINS: Final = "Fine-tuning job started"  # the first time, and after each pause (openai.md §6, event order)
_STANDS: Final = ("Fine-tuning job paused", "Fine-tuning job cancelled")
_CAPTURED: Final = (*_STANDS, "Checkpoint created", "New fine-tuned model created")


class Told(NamedTuple):
    """What of an event matters here."""

    at: datetime
    type: str
    message: str


def seconds_trained(events: Iterable[Told], *, now: datetime | None = None) -> int:
    """Whole seconds of training up to the last progress told of, or up to `now` while it goes on.

    Where no event says that training began, as another provider may word it, its first measurement does.
    """
    told = sorted(events, key=lambda one: one.at)
    has_beginning = any(one.message.startswith(_BEGINS) for one in told)
    total, begun, captured = timedelta(0), None, None
    for event in told:
        begins = event.message.startswith(_BEGINS) or (not has_beginning and event.type == "metrics")
        if begun is None and begins:
            begun = captured = event.at
        elif begun is not None and (event.type == "metrics" or event.message.startswith(_CAPTURED)):
            captured = event.at
        if begun is not None and captured is not None and event.message.startswith(_STANDS):
            total += captured - begun
            begun = captured = None
    if begun is not None and captured is not None:
        total += max(captured, now or captured) - begun
    return int(total.total_seconds())
