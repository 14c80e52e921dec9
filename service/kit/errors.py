"""Errors a caller can act on. A class belongs to one family, names its machine code, and its docstring is the message.

    class BudgetExceeded(LimitReached):
        '''This job would cost {asked} USD; {left} USD is left until {resets}.'''
        code = "budget_exceeded"

    raise BudgetExceeded(asked="41.20", left="12.00", resets="2026-12-01T00:00:00Z")

`api/errors.py` turns a family into a status and a body; nothing here knows HTTP beyond an optional `status` of a
class's own.
"""

from inspect import cleandoc
from typing import Any, ClassVar


class TuneplaneError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int | None] = None  # only where it differs from the family's
    facts: dict[str, Any]
    pointer: str | None  # RFC 6901 fragment of the field to blame, "#/dataset"
    retry_after_seconds: int | None

    def __init__(self, *, pointer: str | None = None, retry_after_seconds: int | None = None, **facts: Any) -> None:
        self.facts, self.pointer, self.retry_after_seconds = facts, pointer, retry_after_seconds
        super().__init__(" ".join(cleandoc(type(self).__doc__ or "").split()).format(**facts))

    @property
    def message(self) -> str:
        """One sentence a user can act on."""
        return str(self.args[0])


class Unauthenticated(TuneplaneError):
    """We do not know who is calling."""


class Forbidden(TuneplaneError):
    """The caller is known and may not do this."""


class NotFound(TuneplaneError):
    """It does not exist, or not for this caller."""


class Gone(TuneplaneError):
    """It existed and was withdrawn."""


class Conflict(TuneplaneError):
    """It cannot be done in the present state of things."""


class Invalid(TuneplaneError):
    """The request itself is wrong."""


class LimitReached(TuneplaneError):
    """A limit stands in the way."""


class Unavailable(TuneplaneError):
    """Something we depend on is away; the same request may work later."""


FAMILIES: tuple[type[TuneplaneError], ...] = (
    Unauthenticated, Forbidden, NotFound, Gone, Conflict, Invalid, LimitReached, Unavailable,
)  # fmt: skip
