"""The audit trail: who did what to which object, when, from where, and how it looked before and after.

Invariants: an entry is written in the transaction of the write it tells about, so neither exists without the other; no
entry is ever changed or removed, by privilege and by trigger; no entry holds a secret or training text.
"""

from service.audit.commands import record

__all__ = ["record"]
