"""Provider accounts: where to call, as whom, and with which key. Operators own them, teams choose one and share it.

Invariants: a provider's key is stored sealed to its row and opens for workers and operators only; it never appears in
an answer, a log, the audit or a repr. At most one connection is the default of teams that chose none.
"""

from service.connections.commands import create, replace_key
from service.connections.errors import ConnectionNotFound, NoConnection
from service.connections.queries import ConnectionFacts, credentials, default, find, in_use, of_team
from service.connections.rules import Kind

__all__ = [
    "ConnectionFacts", "ConnectionNotFound", "Kind", "NoConnection", "create", "credentials", "default",
    "find", "in_use", "of_team", "replace_key",
]  # fmt: skip
