"""Provider accounts: where to call, as whom, and with which key. Operators own them, teams choose one and share it.

Invariants: a provider's key is stored sealed to its row and opens for workers and operators only; it never appears in
an answer, a log, the audit or a repr. At most one connection is the default of teams that chose none.
"""

from service.connections.commands import create, replace_key
from service.connections.errors import ConnectionNotFound, NoConnection
from service.connections.queries import ConnectionFacts, Pause, credentials, default, find, in_use, of_team, pauses
from service.connections.rules import Kind
from service.connections.slots import Slots, learn_slots, slots

__all__ = [
    "ConnectionFacts", "ConnectionNotFound", "Kind", "NoConnection", "Pause", "Slots", "create", "credentials",
    "default", "find", "in_use", "learn_slots", "of_team", "pauses", "replace_key", "slots",
]  # fmt: skip
