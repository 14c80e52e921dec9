"""Secrets at rest: AES-256-GCM under the master key, bound to the one place they belong to.

    sealed = seal(api_key, place("connections", "sealed_key", connection_id))

The place is authenticated with the secret, so a sealed value copied into another row, column or table does not open
(NIST SP 800-38D, additional authenticated data). A sealed value begins with its format and the id of the master key
that made it, so that a change of the master key can tell which values are still to be sealed anew.
"""

import base64
import binascii
import hashlib
import secrets
from typing import Final
from uuid import UUID

from service.kit.settings import settings

_FORMAT: Final = b"\x01"
_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12  # random per value: safe for 2^32 values under one key, we seal a few hundred
_HEAD_BYTES: Final = len(_FORMAT) + _KEY_ID_BYTES


class SealingError(RuntimeError):
    """The master key is missing or wrong, or a sealed value was altered or moved. An operator's matter, no caller's."""


def place(table: str, column: str, row: UUID) -> bytes:
    """Where a secret lives: what it is bound to."""
    return f"{table}|{column}|{row}".encode()


def seal(secret: str, bound_to: bytes) -> bytes:
    """Encrypt `secret` for one place. Sealing the same secret twice gives different bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 6 MB; few processes seal

    key = _master_key()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORMAT + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, secret.encode(), bound_to)


def unseal(sealed: bytes, bound_to: bytes) -> str:
    """The secret sealed for this place. Raises SealingError for another place, another master key or altered bytes."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    key = _master_key()
    if sealed[:_HEAD_BYTES] != _FORMAT + _key_id(key):
        raise SealingError("the value was sealed with another master key than TUNEPLANE_MASTER_KEY")
    nonce, ciphertext = sealed[_HEAD_BYTES:][:_NONCE_BYTES], sealed[_HEAD_BYTES + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to).decode()
    except (InvalidTag, ValueError) as error:  # ValueError: too short to be sealed at all
        raise SealingError("the sealed value was altered or belongs to another row") from error


def _master_key() -> bytes:
    try:
        key = base64.b64decode(settings().master_key.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise SealingError("TUNEPLANE_MASTER_KEY is not base64") from error
    if len(key) != _KEY_BYTES:
        raise SealingError(f"TUNEPLANE_MASTER_KEY must be {_KEY_BYTES} bytes in base64; it has {len(key)}")
    return key


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"tuneplane master key id" + key).digest()[:_KEY_ID_BYTES]
