"""Ids: a UUIDv7 in the database, `prefix_` and 26 letters outside (TypeID). They sort by creation time."""

from typing import Final
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from typeid import TypeID
from typeid.errors import TypeIDException

from service.kit.errors import NotFound

_NOUNS: Final = {  # others are their own prefix
    "dset": "dataset", "conn": "connection", "ctest": "connection test", "prep": "preparation", "key": "API key",
    "entry": "ledger entry", "recon": "reconciliation", "uown": "owner of usage", "usage": "line of usage",
}  # fmt: skip


def new_id() -> UUID:
    """A fresh time-ordered id."""
    return uuid_utils.compat.uuid7()


def show(prefix: str, value: UUID) -> str:
    """The id as users see it, for example `job_01k…`."""
    return str(TypeID.from_uuid(suffix=uuid_utils.UUID(int=value.int), prefix=prefix))


def read(prefix: str, text: str) -> UUID:
    """The UUID in a user's id. Raises UnknownId for a malformed one, so that it cannot be told from a foreign one."""
    try:
        typed = TypeID.from_string(text)
    except TypeIDException as error:
        raise UnknownId(what=_NOUNS.get(prefix, prefix), id=text) from error
    if typed.prefix != prefix:
        raise UnknownId(what=_NOUNS.get(prefix, prefix), id=text)
    return UUID(str(typed.uuid))


class UnknownId(NotFound):
    """There is no {what} with the id {id!r}."""

    code = "not_found"
