"""Roles and their scopes, the format of keys and slugs. Pure."""

import hmac
import re
import zlib
from enum import StrEnum
from typing import Final

SLUG: Final = re.compile(r"[a-z][a-z0-9-]{1,38}")
KEY_ID_CHARS: Final = 10
SECRET_CHARS: Final = 43  # of 62 characters: 256 bits
_CHECKSUM_CHARS: Final = 6  # 62^6 > 2^32
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY: Final = re.compile(
    rf"tp_[a-z0-9]{{1,12}}_([0-9A-Za-z]{{{KEY_ID_CHARS}}})_([0-9A-Za-z]{{{SECRET_CHARS}}})_(\w{{6}})", re.ASCII
)


class Role(StrEnum):
    """What a key is for. The first two belong to the platform and have no team, the others to one team."""

    OPERATOR = "operator"
    FINANCE = "finance"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    RESOLVER = "resolver"


PLATFORM_ROLES: Final = frozenset({Role.OPERATOR, Role.FINANCE})

_RESOLVER: Final = frozenset({"me:read", "models:resolve"})
_VIEWER: Final = _RESOLVER | {
    "catalog:read", "datasets:read", "jobs:read", "models:read", "costs:read", "budgets:read", "limits:read",
}  # fmt: skip
_MEMBER: Final = _VIEWER | {"datasets:write", "datasets:content", "jobs:write", "models:write", "budgets:request"}
_ADMIN: Final = _MEMBER | {"keys:read", "keys:write", "jobs:approve", "jobs:move"}
_FINANCE: Final = frozenset({
    "me:read", "teams:read", "budgets:read", "catalog:read", "costs:read", "costs:adjust", "periods:write",
    "prices:write", "reconciliation:read", "reconciliation:write", "usage:assign", "costs:export",
})  # fmt: skip
_OPERATOR: Final = _ADMIN | _FINANCE | {
    "teams:write", "budgets:write", "budgets:approve", "limits:write", "audit:read", "connections:read",
    "connections:write", "attention:read", "attention:write",
}  # fmt: skip

SCOPES: Final[dict[Role, frozenset[str]]] = {
    Role.OPERATOR: _OPERATOR,
    Role.FINANCE: _FINANCE,
    Role.ADMIN: _ADMIN,
    Role.MEMBER: _MEMBER,
    Role.VIEWER: _VIEWER,
    Role.RESOLVER: _RESOLVER,
}


def of_archived(scopes: frozenset[str]) -> frozenset[str]:
    """What is left of a role once its team is archived: whatever reads, and a chatbot goes on being answered."""
    return frozenset(one for one in scopes if one.endswith((":read", ":content", ":resolve")))


def assemble_key(environment: str, key_id: str, secret: str) -> str:
    """`tp_<environment>_<key id>_<secret>_<checksum>`: one double-click selects it, a scanner can tell it offline."""
    body = f"tp_{environment}_{key_id}_{secret}"
    return f"{body}_{_checksum(body)}"


def parse_key(text: str) -> tuple[str, str] | None:
    """Key id and secret of a well-formed key whose checksum is right, else None. Nothing is looked up."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    key_id, secret, checksum = match.groups()
    return (key_id, secret) if checksum == _checksum(text.rpartition("_")[0]) else None


def keyed_digest(pepper: bytes, secret: str) -> bytes:
    """HMAC-SHA-256. A fast hash is right for a secret of 256 random bits; the pepper makes a stolen table useless."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def _checksum(body: str) -> str:
    """CRC-32 in base 62, as GitHub's tokens have it: it catches typing and cutting, and is no secret."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
