"""Webhooks: what happened, written down by everybody above in the transaction in which it happened.

Owns the outbox. Invariants: an event exists if and only if what it tells was committed; it carries ids and states,
never training text; its type is one of the catalogue in `rules`. Delivery to endpoints is not built yet; the rows are.
"""

from service.webhooks.commands import publish
from service.webhooks.rules import EventType

__all__ = ["EventType", "publish"]
